"""What a stage leaves on disk, and when it is trained again."""

from pathlib import Path

import pytest
import torch

from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError, TrainingFailed
from benchbench.execution import job
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.store.files import Store
from benchbench.training.chain import Training
from benchbench.training.checkpoints import load_checkpoint, read_checkpoint, read_state, save_checkpoint
from benchbench.training.stage import StageRun


def trainings(**changes: object) -> list[Training]:
    content = {
        "axes": {
            "pretext": ["rotation"],
            "meta": ["nearest-centroid", "protonet", "maml"],
            "backbone": ["conv4"],
            "source": ["glyphs"],
            "target": ["digits"],
            "protocol": ["5way-1shot"],
        },
        "floors": False,
        "budget": {"samples": 400},
        "episodes": {"meta_batch": 1},
        "training": {"batch_size": 8},
        "settings": {"backbone": {"conv4": {"width": 4}}},
        **changes,
    }
    return plan(parse_matrix(content, "test")).trainings


def test_a_pretraining_serves_every_learner_after_it():
    axes = {"pretext": ["rotation"], "meta": ["protonet", "maml"], "backbone": ["conv4"], "source": ["glyphs"]}
    axes |= {"target": ["digits"], "protocol": ["5way-1shot"], "regime": ["pipeline"]}
    first, second = trainings(axes=axes, when=[{"meta": "maml", "episodes": {"meta_batch": 2}}])
    assert first.stages[0].key == second.stages[0].key
    assert first.stages[1].key != second.stages[1].key


def test_what_a_stage_never_reads_is_not_in_its_key():
    plain, episodic, _ = trainings()
    other_plain, other_episodic, _ = trainings(training={"batch_size": 16})
    assert plain.stages[0].key != other_plain.stages[0].key
    assert episodic.stages[0].key == other_episodic.stages[0].key


INDUCTIVE = {"meta": {"inductive": {"of": "maml", "test_norm": "support", "test_steps": 2}}}


def two_tests_of_maml(**changes: object) -> list[Training]:
    axes = {"pretext": ["labels"], "meta": ["maml", "inductive"], "backbone": ["conv4"], "source": ["glyphs"]}
    return trainings(axes=axes | {"target": ["digits"], "protocol": ["5way-1shot"]}, **INDUCTIVE, **changes)


def test_settings_that_bear_on_scores_alone_share_a_training():
    first, second = two_tests_of_maml()
    assert [s.key for s in first.stages] == [s.key for s in second.stages]
    assert first.key != second.key
    assert "trained_as" not in first.content
    assert second.content["trained_as"] == {"test_norm": "call", "test_steps": 5}
    first, second = two_tests_of_maml(selection="labelled-valid")
    assert first.stages[0].key != second.stages[0].key, "validation scores with them, and chooses the checkpoint"


def test_what_they_share_has_the_weights_that_each_alone_would_have(tmp_path: Path):
    first, second = two_tests_of_maml(seeds=[1])
    shared, alone = Store(tmp_path / "shared"), Store(tmp_path / "alone")
    assert run(first, shared)["steps"] > 0
    assert run(second, shared)["steps"] == 0, "loaded"
    assert run(second, alone)["steps"] > 0
    kept = [read_checkpoint(store.checkpoint(second.stages[0].key, "final"))[1] for store in (shared, alone)]
    assert kept[0].keys() == kept[1].keys()
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def run(training: Training, store: Store, *, rerun: bool = False) -> dict[str, float]:
    seen: dict[str, float] = {"steps": 0}

    def report(metrics: dict) -> None:
        seen["steps"] = metrics["step"]

    job.train(training, prepare(training.source), store, "cpu", report, rerun=rerun)
    return seen


def test_a_stage_of_other_code_is_trained_again_only_on_demand(tmp_path: Path):
    store, (_, training, _) = Store(tmp_path), trainings()
    assert run(training, store)["steps"] > 0
    final = store.checkpoint(training.stages[0].key, "final")
    state = read_state(final)
    assert state["sources"].keys() >= {
        "benchbench-suite:rotation",
        "benchbench-suite:conv4",
        "benchbench-suite:protonet",
    }
    encoder, learner = job.build(training, job.SampleSpec("image", (1, 28, 28)), "cpu")
    modules = {"encoder": encoder, "learner": learner}
    key = training.stages[0].key
    load_checkpoint(final, modules, None, key)
    save_checkpoint(final, modules, None, state | {"sources": {"benchbench-suite:rotation": "of other code"}}, key)
    assert run(training, store)["steps"] == 0, "loaded"
    assert run(training, store, rerun=True)["steps"] > 0
    assert read_state(final)["sources"] == state["sources"]
    assert run(training, store, rerun=True)["steps"] == 0, "its code is the present one"


def test_weights_that_are_not_finite_at_the_end_are_no_result(monkeypatch):
    def step(self: StageRun, number: int) -> dict[str, float]:
        """A finite loss whose gradient is not."""
        next(self.encoder.parameters()).grad = torch.full_like(next(self.encoder.parameters()), torch.inf)
        return {"loss": 1.0}

    monkeypatch.setattr(StageRun, "_step", step)
    training = trainings(budget={"steps": 1}, training={"optimiser": "sgd"})[1]
    with pytest.raises(TrainingFailed, match="a weight is not finite after step 1 of 1"):
        job.train(training, prepare(training.source), None, "cpu", lambda _: None)


def test_varying_episodes_use_their_budget_and_no_more(tmp_path: Path):
    varied = {"sampler": "meta-dataset", "meta_batch": 1}
    axes = {"pretext": ["labels"], "meta": ["protonet"], "backbone": ["conv4"], "source": ["glyphs"]}
    axes |= {"target": ["digits"], "protocol": ["5way-1shot"]}
    (training,) = trainings(axes=axes, episodes=varied, budget={"samples": 4000})
    _, (result,) = job.train(training, prepare(training.source), None, "cpu", lambda _: None)
    used = [point["samples"] for point in result.curve]
    assert len(used) == result.steps > 3
    sizes = {b - a for a, b in zip([0, *used], used, strict=False)}
    assert len(sizes) > 3
    assert max(sizes) <= 1000
    assert 4000 - 1000 < result.samples == used[-1] <= 4000
    assert result.encoder_passes == result.samples
    assert result.ways is None
    (fixed,) = trainings(axes=axes, episodes={"meta_batch": 1}, budget={"samples": 4000})
    (same,) = trainings(axes=axes, episodes={"meta_batch": 1, "sampler": "fixed"}, budget={"samples": 4000})
    assert fixed.key == same.key != training.key


def test_varying_episodes_need_true_classes():
    axes = {"pretext": ["rotation"], "meta": ["protonet"], "backbone": ["conv4"], "source": ["glyphs"]}
    axes |= {"target": ["digits"], "protocol": ["5way-1shot"]}
    with pytest.raises(BenchbenchError, match="rotation makes its own episodes, but sampler 'meta-dataset' draws"):
        trainings(axes=axes, episodes={"sampler": "meta-dataset"})
