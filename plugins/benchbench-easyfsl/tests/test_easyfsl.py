"""easyfsl's methods hold the contract of meta-algorithms, and score what the papers say."""

import torch
from benchbench_easyfsl import FEAT, Finetune, SimpleShot
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, EpisodeShape, Rng
from benchbench.testing import conformance

test_simple_shot_conforms = conformance(SimpleShot)
test_finetune_conforms = conformance(Finetune, steps=3)
test_feat_conforms = conformance(FEAT)


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
