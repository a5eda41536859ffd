"""The protocol `adaptation` against the learner's own inner loop, written out a step count at a time."""

import numpy as np
import pytest
import torch

import benchbench
from benchbench import BenchbenchError, EpisodeShape, Rng, Trained
from benchbench.components.reference import resolve_component
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.views import view
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.results.audit import matrix_of
from benchbench.results.consistency import content_faults, key_faults
from benchbench.results.plausibility import number_faults
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.protonet import ProtoNet
from benchbench_standard.metas.reptile import Reptile
from benchbench_standard.pretexts.rotation import Rotation
from benchbench_standard.protocols.adaptation import Adaptation, loss_after

RNG = Rng("test")
SHAPE = {"ways": 3, "shots": 2, "queries": 2, "episodes": 3}


def adapter(small, cls=MAML, **settings):
    return Trained(small.encoder, cls(small.encoder, **settings), small.sample)


def test_scores_are_those_of_a_learner_with_so_many_steps(small, target):
    trained = adapter(small, inner_lr=0.1, test_steps=2, test_norm="support", head_ways=1)
    scores = Adaptation(steps=[4, 0, 1], **SHAPE).evaluate(trained, target, RNG)
    assert set(scores) == {"accuracy", *(f"{name}@{k}" for name in ("accuracy", "loss") for k in (0, 1, 4))}
    assert trained.learner.adaptation_steps == 2, "as it was"
    (batch,) = target.episodes(EpisodeShape(3, 2, 2), 3)
    labels = torch.from_numpy(np.stack([e.query_y for e in target.drawn(EpisodeShape(3, 2, 2), 3)]))
    for k in (0, 1, 2, 4):
        other = adapter(small, inner_lr=0.1, test_steps=max(k, 1), test_norm="support", head_ways=1)
        other.learner.adaptation_steps = k
        logits = other.logits(batch, RNG)
        right = (logits.argmax(-1) == labels).sum(1).tolist()
        assert scores["accuracy" if k == 2 else f"accuracy@{k}"].values == right
        if k != 2:
            nll = -logits.log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1).mean(1)
            np.testing.assert_allclose(scores[f"loss@{k}"].values, nll, rtol=1e-5)
    # The head has one row for all classes: before any step all are equally likely.
    np.testing.assert_allclose(scores["loss@0"].values, np.log(3), rtol=1e-5)
    assert np.mean(scores["loss@4"].values) < np.mean(scores["loss@0"].values)


def test_the_labels_of_queries_have_no_part_in_adaptation(small, target):
    trained = adapter(small, inner_lr=0.1, test_steps=2, test_norm="support")
    seen = []
    logits = trained.learner.logits
    trained.learner.logits = lambda episodes, rng: (seen.append(episodes.query_y), logits(episodes, rng))[1]
    Adaptation(steps=[1], **SHAPE).evaluate(trained, target, RNG)
    assert len(seen) == 3 * 3, "0, 1 and its own 2 steps, each tried twice on the first task before it counts"
    assert all(y is None for y in seen)


def test_reptile_takes_no_step_too(small, target):
    trained = adapter(small, Reptile, test_steps=1, head_ways=1)
    scores = Adaptation(steps=[0], **SHAPE).evaluate(trained, target, RNG)
    np.testing.assert_allclose(scores["loss@0"].values, np.log(3), rtol=1e-5)


def test_what_descends_nothing_is_scored_as_it_is(small, target):
    trained = adapter(small, ProtoNet)
    scores = Adaptation(**SHAPE).evaluate(trained, target, RNG)
    assert set(scores) == {"accuracy", "accuracy@0", "loss@0"}
    assert scores["accuracy"] == scores["accuracy@0"]


def test_adaptation_to_a_pretext_that_training_did_not_see(small, target, monkeypatch):
    held_out = resolve_component("pretext", "rotation")
    trained = adapter(small, inner_lr=0.1, test_steps=2, test_norm="support")
    before = {k: w.clone() for k, w in trained.encoder.state_dict().items()}
    scores = Adaptation(steps=[0, 1, 5], pretext=held_out, **SHAPE).evaluate(trained, target, RNG)
    assert set(scores) == {"adapted", "loss@0", "loss@1", "loss@5"}
    assert all(torch.equal(w, before[k]) for k, w in trained.encoder.state_dict().items())
    # An episode is its images alone: nothing is scored by labels.
    monkeypatch.setattr(target, "score", None)
    monkeypatch.setattr(target, "losses", None)
    assert Adaptation(steps=[0, 1, 5], pretext=held_out, **SHAPE).evaluate(trained, target, RNG) == scores
    without = adapter(small, ProtoNet)
    assert set(Adaptation(pretext=held_out, **SHAPE).evaluate(without, target, RNG)) == {"adapted", "loss@0"}


def test_one_step_on_a_pretext_by_hand(small):
    """One gradient step of the encoder alone on the support images' loss, the head held."""
    x = torch.rand(5, 1, 8, 8, generator=Rng("x").cpu)
    learner = MAML(small.encoder, inner_lr=0.1, test_steps=1, test_norm="call").eval()
    torch.manual_seed(0)
    pretext = Rotation(small.encoder, small.sample)
    found = loss_after(learner, pretext, x[:3], x[3:], RNG)
    weights = dict(small.encoder.named_parameters())

    def loss(params, images, name):
        encode = lambda x: learner.encode(x[None], params={k: w[None] for k, w in params.items()})[0]  # noqa: E731
        return pretext.task_loss(encode, images, RNG.child(name))

    slopes = torch.autograd.grad(loss(weights, x[:3], "support"), [*weights.values()])
    after = {k: w - 0.1 * s for (k, w), s in zip(weights.items(), slopes, strict=True)}
    assert found == pytest.approx(loss(after, x[3:], "query").item(), rel=1e-5)
    assert found != pytest.approx(loss(weights, x[3:], "query").item(), rel=1e-5)


@pytest.mark.parametrize(("name", "message"), [("umtra", "no task loss"), ("colorization", "needs training images")])
def test_pretexts_that_cannot_be_adapted_to_are_refused(name, message):
    with pytest.raises(BenchbenchError, match=f"pretext benchbench-suite:{name} .*{message}"):
        Adaptation(pretext=resolve_component("pretext", name))


def test_records_hold_the_curve_and_the_held_out_pretext(tmp_path):
    axes = {"pretext": "mixture", "meta": "maml", "backbone": "mlp", "source": "glyphs", "target": "glyphs"}
    content = {
        "axes": {k: [v] for k, v in {**axes, "protocol": "adaptation", "regime": "meta-pretext"}.items()},
        "floors": False,
        "budget": {"steps": 1},
        "episodes": {"meta_batch": 1, "queries": 1},
        "settings": {
            "backbone": {"mlp": {"width": 8, "depth": 1}},
            "pretext": {"mixture": {"parts": ["rotation", "contrastive"]}},
            "protocol": {"adaptation": {"pretext": "relative-patch", "episodes": 2, "steps": [0, 3]}},
        },
    }
    (record,) = benchbench.run(parse_matrix(content, "test"), tmp_path, executor="inline").records
    assert record.content["protocol"]["settings"]["pretext"]["name"] == "benchbench-suite:relative-patch"
    assert key_faults(record) == ([], [])
    assert content_faults(record) == []
    assert number_faults(record) == []
    assert plan(matrix_of(record)).trainings[0].cells[0].key == record.key
    found = {(r["metric"], r["steps"]): r["mean"] for r in plain_rows(view("adaptation", [record]))}
    assert set(found) == {("loss", 0), ("loss", 3)}
    # A random head of eight places says nothing yet.
    assert found["loss", 0] == pytest.approx(np.log(8), rel=0.1)
