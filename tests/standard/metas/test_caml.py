"""CAML: its label codes, what its scores may depend on, and what it trains."""

from dataclasses import replace
from math import sqrt

import pytest
import torch

from benchbench import BenchbenchError, Episodes, EpisodeShape, Rng, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas import caml
from benchbench_standard.metas.caml import CAML, label_codes

RNG = Rng("test")
SMALL = {"width": 32, "depth": 2, "heads": 4, "max_ways": 8}


@pytest.fixture
def learner(raw):
    """A small transformer on vectors of 4, in evaluation mode, whose unknown token is not zero as it begins."""
    torch.manual_seed(0)
    made = CAML(raw, **SMALL).eval()
    torch.nn.init.normal_(made.unknown)
    return made


def scores(learner, episodes):
    with torch.no_grad():
        return learner.logits(episodes.withheld(), RNG)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ways", "dim"), [(2, 2), (5, 5), (5, 16), (64, 64)])
def test_codes_have_one_length_and_one_angle(ways, dim):
    codes = label_codes(ways, dim)
    assert codes.shape == (ways, dim)
    wanted = torch.full((ways, ways), -1 / (ways - 1)).fill_diagonal_(1.0)
    torch.testing.assert_close(codes @ codes.mT, wanted)
    # The least inner product that so many vectors can have in common: their sum is 0.
    torch.testing.assert_close(codes.sum(0), torch.zeros(dim))
    # Any of them are equiangular too, which fewer ways rely on.
    some = codes[torch.tensor([ways - 1, 0])]
    assert float(some[0] @ some[1]) == pytest.approx(-1 / (ways - 1))


@pytest.mark.usefixtures("float64")
def test_the_order_of_the_support_set_changes_nothing(learner, uneven):
    learner.double()
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    other = replace(uneven, support_x=uneven.support_x[:, order], support_y=uneven.support_y[:, order])
    torch.testing.assert_close(scores(learner, other), scores(learner, uneven))


@pytest.mark.usefixtures("float64")
def test_classes_that_exchange_labels_and_codes_exchange_scores(learner, uneven):
    learner.double()
    before = scores(learner, uneven)
    to = torch.tensor([2, 0, 1])  # class c is now called to[c] ...
    renamed = replace(uneven, support_y=to[uneven.support_y])
    assert not torch.allclose(scores(learner, renamed)[..., to], before)
    learner.codes[to] = learner.codes[:3].clone()  # ... and keeps its code
    torch.testing.assert_close(scores(learner, renamed)[..., to], before)


@pytest.mark.usefixtures("float64")
def test_queries_do_not_see_each_other(learner, uneven, monkeypatch):
    learner.double()
    whole = scores(learner, uneven)
    for q in range(5):
        torch.testing.assert_close(
            scores(learner, replace(uneven, query_x=uneven.query_x[:, q : q + 1])), whole[:, [q]]
        )
    # Nor does it matter how many are read in one pass: here two of each task, then one.
    for tokens in (2 * 2 * 7, 1):
        monkeypatch.setattr(caml, "TOKENS", tokens)
        torch.testing.assert_close(scores(learner, uneven), whole)


@pytest.mark.usefixtures("float64")
def test_scores_are_inner_products_with_the_codes(raw, uneven):
    """Without attention and depth to speak of: an identity in the transformer's place leaves the query's own token."""
    learner = CAML(raw, **SMALL).double().eval()
    learner.transformer = torch.nn.Sequential(torch.nn.Identity())
    torch.nn.init.normal_(learner.unknown)
    found = scores(learner, uneven)
    x = uneven.query_x[1, 3] - uneven.support_x[1].mean(0)
    features = learner.features((x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt())
    token = torch.cat([features, learner.unknown])
    wanted = sqrt(8) * learner.codes[:3] @ (learner.answer.weight @ token)
    torch.testing.assert_close(found[1, 3], wanted.detach())


def test_the_encoder_is_not_trained_and_stays_in_evaluation_mode(tasks):
    encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=3)).train()
    learner = CAML(encoder, **SMALL).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    (group,) = learner.parameter_groups()
    assert {id(w) for w in group["params"]} == {id(w) for w in learner.parameters()}
    modes = []
    encoder.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    learner.backward(tasks(), RNG)
    assert modes == [False]
    assert encoder.training
    assert all(w.grad is None for w in encoder.parameters())
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert all(w.grad is not None for w in learner.parameters())
    # All but those behind a branch that begins with 0.
    still = {name for name, w in learner.named_parameters() if w.grad.abs().max() == 0}
    assert all(name.startswith("transformer.") for name in still)
    assert not any("out_proj.weight" in name or "linear2" in name for name in still)


def test_training_deals_codes_at_random_and_test_does_not(learner, uneven):
    learner.float()
    uneven = replace(uneven, support_x=uneven.support_x.float(), query_x=uneven.query_x.float())
    with torch.no_grad():
        assert torch.equal(learner.logits(uneven, Rng(0)), learner.logits(uneven, Rng(1)))
        learner.train()
        assert torch.equal(learner.logits(uneven, Rng(0)), learner.logits(uneven, Rng(0)))
        assert not torch.allclose(learner.logits(uneven, Rng(0)), learner.logits(uneven, Rng(1)))


def test_more_ways_than_codes_are_refused(learner, tasks):
    spec = SampleSpec("image", (1, 16, 16))
    learner = CAML(Conv4(spec, width=3), **SMALL).eval()
    assert scores(learner, tasks(ways=8)).shape == (2, 16, 8)
    with pytest.raises(BenchbenchError, match="a task of 9 ways, but max_ways is 8"):
        scores(learner, tasks(ways=9))
    for wrong in ({"max_ways": 32}, {"heads": 5}):
        with pytest.raises(BenchbenchError, match="width 32: expected a multiple of heads"):
            CAML(Conv4(spec, width=3), **{**SMALL, **wrong})


def drawn(seed, ways, count=8):
    """Classes differ in half of 20 dimensions, and the other half is noise."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, ways, 1, 10, generator=g) + 0.2 * torch.randn(count, ways, 6, 10, generator=g)
    noise = torch.randn(count, ways, 6, 10, generator=g)
    return Episodes.from_classes(torch.cat([x, noise], -1), EpisodeShape(ways, 1, 5))


@pytest.mark.usefixtures("float64")
def test_it_begins_as_attention_over_similar_features(raw, uneven):
    learner = CAML(raw, **SMALL).eval()
    found = scores(learner, uneven)
    centre = uneven.support_x.mean(1, keepdim=True)
    z = learner.features(
        torch.nn.functional.layer_norm(torch.cat([uneven.support_x, uneven.query_x], 1) - centre, (4,))
    )
    support, query = z[:, :6], z[:, 6:]
    codes = sqrt(8) * learner.codes[:3]
    norm = torch.nn.LayerNorm(32).eval()
    heads = learner.transformer[0].self_attn.in_proj_weight[:32, :24].chunk(4)  # (8, 24) each
    for b, q in ((0, 0), (1, 4)):
        tokens = torch.cat([torch.cat([support[b], codes[uneven.support_y[b]]], 1), torch.zeros(1, 32)])
        tokens[-1, :24] = query[b, q]
        seen = norm(tokens)
        mixed = torch.zeros(8)
        for head in heads:
            alike = (seen[:, :24] @ head.T) @ (head @ seen[-1, :24]) / sqrt(8)
            mixed += alike[:-1].softmax(0) @ seen[:-1, 24:] / 4  # but not to itself
        after = norm(torch.cat([query[b, q], mixed]))
        torch.testing.assert_close(found[b, q], codes @ after[24:] / sqrt(8))


def test_it_learns_in_context_for_other_ways_and_any_names_of_classes():
    torch.manual_seed(0)
    learner = CAML(Pixels(SampleSpec("vector", (20,))), width=64, depth=2, heads=4, max_ways=8)
    optimiser = torch.optim.Adam(learner.parameter_groups(), 2e-3)
    for step in range(100):
        learner.train()
        optimiser.zero_grad()
        learner.backward(drawn(step, 5), RNG.child(step))
        optimiser.step()
    learner.eval()

    def right(ways):
        test = drawn(10_000, ways, 40)
        return float((scores(learner, test).argmax(-1) == test.query_y).double().mean())

    found = right(5), right(8), right(3)
    assert found[0] > 0.9
    assert found[1] > 0.85
    assert found[2] > 0.9
    test, to = drawn(10_001, 5, 40), torch.tensor([3, 4, 1, 0, 2])
    renamed = replace(test, support_y=to[test.support_y])
    same = scores(learner, renamed).argmax(-1) == to[scores(learner, test).argmax(-1)]
    assert same.double().mean() > 0.9
