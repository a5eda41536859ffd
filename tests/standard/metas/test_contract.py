"""What holds for every standard meta-algorithm, in float64."""

from dataclasses import replace

import pytest
import torch

from benchbench import BenchbenchError, Episodes, EpisodeShape, Progress, Rng, SampleSpec
from benchbench.components.reference import resolve_component
from benchbench.components.registry import offers
from benchbench.encoding.task_norm import convert_norm
from benchbench.evaluation.trained import Trained
from benchbench_standard.backbones.mlp import MLP

RNG = Rng("test")
ALL = sorted(offer.name for offer in offers("meta") if offer.distribution == "benchbench-suite")
ADAPTERS = {"baseline++", "nearest-centroid", "nearest-neighbour", "prior", "readout"}
#: They train on features of an encoder that stays as it is.
FROZEN = {"caml"}
LEARNING = [name for name in ALL if name not in ADAPTERS]
#: Whether a query's score may depend on the other queries, and steps (or passes) on the support set at test.
STATED = {
    "anil": (True, 5),
    "baseline++": (False, 100),
    "caml": (False, 0),
    "dkt": (False, 0),
    "fomaml": (True, 5),
    "imaml": (True, 16),
    "maml": (True, 5),
    "matching-net": (False, 0),
    "meta-sgd": (True, 5),
    "metaopt-net": (False, 0),
    "nearest-centroid": (False, 0),
    "nearest-neighbour": (False, 0),
    "prior": (False, 0),
    "proto-maml": (False, 6),
    "protonet": (False, 0),
    "prototune": (False, 15),
    "r2d2": (False, 0),
    "readout": (False, 0),
    "relation-net": (False, 0),
    "reptile": (False, 50),
}
FEWER = {"test_steps": 2, "train_steps": 2, "epochs": 3}

pytestmark = pytest.mark.usefixtures("float64")


def make(name, encoder, **settings):
    """A learner with few steps, so that a test is quick."""
    known = resolve_component("meta", name).settings
    fewer = {k: v for k, v in FEWER.items() if k in known}
    return resolve_component("meta", name, fewer | settings).build(encoder)


def weights_of(learner):
    return {
        **{f"encoder.{k}": w for k, w in learner.encoder.named_parameters()},
        **dict(learner.named_parameters()),
    }


def gradients(learner, parts):
    """The gradient that `backward` adds up over pairs of episodes and their weight."""
    weights = weights_of(learner)
    for w in weights.values():
        w.grad = None
    for episodes, weight in parts:
        learner.backward(episodes, Rng("same"), weight)
    return {k: None if w.grad is None else w.grad.clone() for k, w in weights.items()}


def test_every_learner_is_known():
    assert set(ALL) == set(STATED)


@pytest.mark.parametrize("name", ALL)
def test_what_stands_in_the_record(name, conv):
    learner = resolve_component("meta", name).build(conv())
    transductive, steps = STATED[name]
    assert Trained(learner.encoder, learner, SampleSpec("image", (1, 16, 16))).transductive is transductive
    assert learner.adaptation_steps == steps
    assert type(learner).adapter_only is (name in ADAPTERS)


@pytest.mark.parametrize("name", [name for name, (_, steps) in STATED.items() if steps])
def test_it_takes_as_many_steps_as_it_says_at_the_time(name, conv, tasks):
    episodes, found = tasks(shots=2), []
    learner = make(name, conv()).eval()
    for steps in (0, 1, 4):
        learner.adaptation_steps = steps
        with torch.no_grad():
            found.append(learner.logits(episodes, RNG))
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[1], found[2])
    if name in ("anil", "fomaml", "imaml", "maml", "meta-sgd", "reptile"):
        learner = make(name, conv(), head_ways=1).eval()
        learner.adaptation_steps = 0
        with torch.no_grad():
            scores = learner.logits(episodes, RNG)
        torch.testing.assert_close(scores, scores[..., :1].expand_as(scores))


@pytest.mark.parametrize("name", ALL)
def test_query_labels_are_not_read(name, conv, tasks):
    learner, episodes = make(name, conv()).eval(), tasks()
    learner.encoder.eval()
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in (learner, learner.encoder)]
    with torch.no_grad():
        seen = learner.logits(episodes, Rng("same"))
        assert seen.shape == (2, 6, 3)
        assert torch.equal(seen, learner.logits(episodes.withheld(), Rng("same")))
        other = replace(episodes, query_y=episodes.query_y.flip(1))
        assert torch.equal(seen, learner.logits(other, Rng("same")))
    for module, state in zip((learner, learner.encoder), before, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
        assert all(w.grad is None for w in module.parameters())


@pytest.mark.parametrize("mode", ["running", "call", "episode", "support"])
@pytest.mark.parametrize("name", ALL)
def test_a_task_depends_on_no_other_task_and_on_no_other_query_unless_transductive(name, mode, conv, tasks):
    learner, episodes = make(name, conv(), test_norm=mode).eval(), tasks(count=3)
    learner.encoder.eval()
    with torch.no_grad():
        whole = learner.logits(episodes, Rng("same"))
        alone = torch.cat([learner.logits(part, Rng("same")) for part in episodes.chunks(1)])
        torch.testing.assert_close(whole, alone, rtol=1e-7, atol=1e-9)
        other = replace(episodes, query_x=torch.cat([episodes.query_x[:, :1], 1 - episodes.query_x[:, 1:]], 1))
        first = learner.logits(other, Rng("same"))[:, 0]
    transductive = Trained(learner.encoder, learner, SampleSpec("image", (1, 16, 16))).transductive
    if mode in ("running", "support"):
        assert not transductive
        torch.testing.assert_close(whole[:, 0], first, rtol=1e-7, atol=1e-9)
    else:
        # Where a learner encodes support and query in one call, `call` is `episode`.
        assert transductive
        assert not torch.allclose(whole[:, 0], first, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in ALL if resolve_component("meta", n).load().frozen_features])
def test_precomputed_features_give_the_same(name, conv, tasks):
    learner, episodes = make(name, conv(), test_norm="running").eval(), tasks()
    encoder = learner.encoder.eval()
    with torch.no_grad():
        support, query = (
            encoder(x.flatten(0, 1)).unflatten(0, (2, -1)) for x in (episodes.support_x, episodes.query_x)
        )
        with learner.precomputed():
            cached = learner.logits(replace(episodes, support_x=support, query_x=query), Rng("same"))
        torch.testing.assert_close(cached, learner.logits(episodes, Rng("same")))


@pytest.mark.parametrize("name", LEARNING)
def test_chunked_backward_equals_whole(name, conv, tasks):
    """A meta-batch in pieces gives the same gradient; every weight of the encoder gets some, if it is trained."""
    learner, episodes = make(name, conv()), tasks(count=3)
    whole = gradients(learner, [(episodes, 1.0)])
    pieces = gradients(learner, [(part, len(part) / 3) for part in episodes.chunks(2)])
    for key, gradient in whole.items():
        if gradient is None:
            assert pieces[key] is None
            assert name in FROZEN or not key.startswith("encoder.")
        else:
            # An interior-point solution differs in its last digits with the batch's linear algebra.
            torch.testing.assert_close(pieces[key], gradient, rtol=1e-5, atol=1e-9)
            assert gradient.abs().max() > 0 or not key.startswith("encoder.")


@pytest.mark.parametrize(
    "name", ["caml", "dkt", "matching-net", "metaopt-net", "proto-maml", "prototune", "r2d2", "relation-net"]
)
def test_shots_may_be_uneven(name, raw, uneven):
    if name.endswith("maml"):
        raw = convert_norm(MLP(SampleSpec("vector", (4,)), width=4, depth=1))
    learner = make(name, raw).eval()
    learner.encoder.eval()
    with torch.no_grad():
        assert learner.logits(uneven.withheld(), RNG).shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fomaml", {"first_order": False}, "first_order"),
        ("imaml", {"strength": 0.0}, "strength"),
        ("reptile", {"inner_batch": 0}, "inner_batch"),
        ("matching-net", {"distance": "l1"}, "distance"),
        ("r2d2", {"initial_lambda": -1.0}, "initial_lambda"),
        ("metaopt-net", {"costs": 1.0}, "did you mean 'cost'"),
        ("proto-maml", {"head_ways": 5}, "head_ways"),
        ("prototune", {"epochs": -1}, "epochs"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(BenchbenchError, match=message):
        resolve_component("meta", name, settings)


#: Steps that suit a few meta-updates of a small network; of a head of five rows Reptile would need more of them.
RECIPES = {
    "anil": {"inner_lr": 0.4},
    "fomaml": {"inner_lr": 0.4},
    "imaml": {"inner_lr": 0.5, "strength": 0.5, "train_steps": 3, "test_steps": 3, "cg_steps": 2},
    "proto-maml": {"train_steps": 1, "test_steps": 1},
    "reptile": {"inner_lr": 0.03, "train_steps": 5, "test_steps": 5, "head_ways": 1},
}


@pytest.mark.parametrize("name", [n for n in LEARNING if n not in FROZEN | {"maml", "meta-sgd"}])
def test_it_learns(name):
    """Classes differ in half of the dimensions and the other half is louder noise; chance is 1/5."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(3)
    encoder = convert_norm(MLP(SampleSpec("vector", (20,)), width=32, depth=1))
    learner = make(name, encoder, **RECIPES.get(name, {}))
    optimiser = torch.optim.Adam(learner.parameter_groups(), 2e-2)

    def draw(seed, count=4):
        g = torch.Generator().manual_seed(seed)
        x = torch.randn(count, 5, 1, 10, generator=g) + 0.2 * torch.randn(count, 5, 6, 10, generator=g)
        noise = 3 * torch.randn(count, 5, 6, 10, generator=g)
        return Episodes.from_classes(torch.cat([x, noise], -1), EpisodeShape(5, 1, 5))

    for step in range(60):
        learner.train()
        encoder.train()
        optimiser.zero_grad()
        learner.backward(draw(step), RNG.child(step))
        optimiser.step()
        learner.after_step(Progress(step + 1, 60, 0))
    learner.eval()
    encoder.eval()
    test = draw(10_000, 80)
    with torch.no_grad():
        right = learner.logits(test.withheld(), RNG).argmax(-1) == test.query_y
    assert right.double().mean() > 0.6
