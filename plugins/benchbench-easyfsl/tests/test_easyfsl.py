"""easyfsl's methods hold the contract of meta-algorithms, and score what the papers say."""

from dataclasses import replace

import pytest
import torch
from benchbench_easyfsl import BDCSPN, FEAT, TIM, Finetune, SimpleShot, TransductiveFinetune
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, EpisodeShape, MetaLearner, Rng
from benchbench.testing import conformance

test_simple_shot_conforms = conformance(SimpleShot)
test_finetune_conforms = conformance(Finetune, steps=3)
test_feat_conforms = conformance(FEAT)
test_bd_cspn_conforms = conformance(BDCSPN)
test_tim_conforms = conformance(TIM, steps=3)
test_transductive_finetune_conforms = conformance(TransductiveFinetune, steps=3)


class Flat(Backbone):
    """The sample as it is. Source: own."""

    dim = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def episodes() -> Episodes:
    x = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    return Episodes.from_classes(x, EpisodeShape(3, 2, 2))


def means(tasks: Episodes, normalised: bool = False) -> Tensor:
    x = F.normalize(tasks.support_x, dim=-1) if normalised else tasks.support_x
    return x.unflatten(1, (3, 2)).mean(2)  # from_classes keeps classes in order


def test_simple_shot_is_the_cosine_to_class_means() -> None:
    tasks = episodes()
    expected = F.cosine_similarity(tasks.query_x.unsqueeze(2), means(tasks, True).unsqueeze(1), dim=-1)
    assert torch.allclose(SimpleShot(Flat()).eval().logits(tasks, Rng(0)), expected, atol=1e-6)


def test_finetune_begins_at_the_class_means_and_descends() -> None:
    tasks = episodes()
    start = F.cosine_similarity(tasks.query_x.unsqueeze(2), means(tasks).unsqueeze(1), dim=-1)
    barely = Finetune(Flat(), steps=1, lr=1e-8).eval()
    assert torch.allclose(barely.logits(tasks, Rng(0)), start, atol=1e-5)
    learner = Finetune(Flat(), steps=50, lr=0.05, temperature=10.0).eval()
    support = Episodes(tasks.support_x, tasks.support_y, tasks.support_x, tasks.support_y, 3)

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(10 * logits.flatten(0, 1), tasks.support_y.flatten())

    before = loss(F.cosine_similarity(tasks.support_x.unsqueeze(2), means(tasks).unsqueeze(1), dim=-1))
    with torch.no_grad():  # as evaluation calls it
        assert loss(learner.logits(support, Rng(0))) < before
    assert learner.adaptation_steps == 50


def test_feat_without_attention_is_the_nearest_mean() -> None:
    class Through(nn.Module):
        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor]:
            return (v,)

    tasks, learner = episodes(), FEAT(Flat(), temperature=2.0).eval()
    learner.attention = Through()
    expected = -torch.cdist(tasks.query_x, means(tasks)) / 2
    assert torch.allclose(learner.logits(tasks, Rng(0)), expected, atol=1e-6)


def test_feat_trains_its_attention_and_the_encoder() -> None:
    class Linear(Flat):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.map(x)

    encoder = Linear()
    learner = FEAT(encoder).train()
    learner.backward(episodes(), Rng(0))
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in learner.attention.parameters())
    assert encoder.map.weight.grad.abs().sum() > 0


def test_bd_cspn_shifts_the_queries_and_lets_them_join_the_class_means() -> None:
    """Equations 5 to 8 of the paper for one class after another, with the cosine weights of easyfsl."""
    tasks = episodes()
    scores = BDCSPN(Flat()).eval().logits(tasks, Rng(0))
    for task in range(2):
        support, query = tasks.support_x[task], tasks.query_x[task]
        shifted = query + support.mean(0) - query.mean(0)
        centres = means(tasks)[task]
        nearest = F.cosine_similarity(shifted[:, None], centres[None], dim=-1).argmax(1)
        rectified = []
        for label in range(3):
            members = torch.cat([support[tasks.support_y[task] == label], shifted[nearest == label]])
            weights = F.cosine_similarity(members, centres[label : label + 1], dim=-1).softmax(0)
            rectified.append(weights @ members)
        expected = F.cosine_similarity(query[:, None], torch.stack(rectified)[None], dim=-1)
        assert torch.allclose(scores[task], expected, atol=1e-6)


def test_tim_spreads_and_sharpens_predictions_by_its_steps() -> None:
    """One small step of Adam moves every weight by its rate against the gradient of the paper's loss."""
    tasks, rate = episodes(), 1e-3
    (x, y, query), centres = (tasks.support_x[0], tasks.support_y[0], tasks.query_x[0]), means(tasks)[0]
    weights = centres.clone().requires_grad_()
    logits, seen = (5 * F.normalize(s, dim=1) @ F.normalize(weights, dim=1).mT for s in (query, x))
    p = logits.softmax(1)
    mutual = -(p.mean(0) * p.mean(0).log()).sum() + 0.1 * (p * p.log()).sum(1).mean()
    (gradient,) = torch.autograd.grad(F.cross_entropy(seen, y) - mutual, weights)
    moved = centres - rate * gradient.sign()
    expected = F.cosine_similarity(query[:, None], moved[None], dim=-1)
    scores = TIM(Flat(), steps=1, lr=rate, temperature=5.0).eval().logits(tasks, Rng(0))[0]
    assert torch.allclose(scores, expected, atol=1e-6)


def test_transductive_finetuning_lowers_the_entropy_of_the_queries() -> None:
    tasks = episodes()

    def entropy(logits: Tensor) -> Tensor:
        return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()

    before = -torch.cdist(tasks.query_x, means(tasks))
    barely = TransductiveFinetune(Flat(), steps=1, lr=1e-8).eval()
    assert torch.allclose(barely.logits(tasks, Rng(0)), before, atol=1e-5)
    assert entropy(TransductiveFinetune(Flat(), steps=50, lr=0.02).eval().logits(tasks, Rng(0))) < entropy(before)


@pytest.mark.parametrize("learner", [SimpleShot, Finetune, FEAT, BDCSPN, TIM, TransductiveFinetune])
def test_what_depends_on_other_queries_is_declared(learner: type[MetaLearner]) -> None:
    tasks, made = episodes(), learner(Flat()).eval()
    alone = replace(tasks, query_x=tasks.query_x[:, :2], query_y=None)
    depends = not torch.allclose(made.logits(tasks, Rng(0))[:, :2], made.logits(alone, Rng(0)), atol=1e-7)
    assert depends is made.transductive
    assert made.transductive is made.classifier().is_transductive()
