"""Event files as TensorBoard itself reads them."""

import sys
from types import SimpleNamespace

import pytest

from benchbench.execution.hooks import Hooks

TRAINING = {"key": "ab" * 32, "label": "a/b × c (seed 0)", "matrix": "tiny", "seed": 0}
OTHER = {**TRAINING, "key": "cd" * 32, "label": "other"}


def scalars(folder, tag):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    held = EventAccumulator(str(folder))
    held.Reload()
    assert held.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
    return [(e.step, float(make_ndarray(e.tensor_proto))) for e in held.Tensors(tag)]


def test_curves_and_scores_of_each_training_are_read_back(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    monkeypatch.setenv("BENCHBENCH_TENSORBOARD", str(tmp_path))
    hooks = Hooks.installed()
    for training in (TRAINING, OTHER):
        hooks.call("training_started", training=training)
    for stage, step, loss in ((1, 10, 2.0), (1, 20, 1.5), (2, 10, 0.5), (2, 20, 0.25)):
        hooks.call("step_metrics", training=TRAINING, step=step, stage=stage, metrics={"loss": loss})
    hooks.call("step_metrics", training=OTHER, step=10, stage=1, metrics={"loss": 7.0})
    summary = {"accuracy": SimpleNamespace(mean=0.75)}
    cell = {"training_key": TRAINING["key"], "target": "digits", "protocol": "5way-1shot"}
    record = SimpleNamespace(**cell, summary=summary, cost=SimpleNamespace(samples=1200))
    hooks.call("record_written", record=record)
    hooks.call("training_finished", training=TRAINING, seconds=1.0)
    hooks.call("training_failed", training=OTHER, reason="why not")
    folder = tmp_path / "tiny" / "a-b × c (seed 0) abababab"
    assert scalars(folder, "loss") == [(10, 2.0), (20, 1.5)]
    assert scalars(folder, "stage 2/loss") == [(10, 0.5), (20, 0.25)]
    assert scalars(folder, "digits/5way-1shot/accuracy") == [(1200, 0.75)]
    assert scalars(tmp_path / "tiny" / "other cdcdcdcd", "loss") == [(10, 7.0)]


def test_unasked_it_writes_nothing_and_loading_it_imports_nothing_heavy(tmp_path, monkeypatch, python):
    monkeypatch.delenv("BENCHBENCH_TENSORBOARD", raising=False)
    monkeypatch.chdir(tmp_path)
    program = (
        "import sys; from benchbench.execution.hooks import Hooks; h = Hooks.installed()\n"
        f"h.call('training_started', training={TRAINING!r})\n"
        f"h.call('step_metrics', training={TRAINING!r}, step=1, stage=1, metrics={{'loss': 1.0}})\n"
        f"h.call('training_finished', training={TRAINING!r}, seconds=1.0)\n"
        "print({'tensorboard', 'webhook'} <= {n for n, _ in h.manager.list_name_plugin()})\n"
        "print({'torch', 'tensorboard', 'numpy'} & set(sys.modules))"
    )
    done = python("-c", program)
    assert done.stdout.splitlines() == ["True", "set()"]
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


def test_asked_for_and_not_installed_it_says_what_to_install(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("BENCHBENCH_TENSORBOARD", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    hooks = Hooks.installed()
    hooks.call("training_started", training=TRAINING)
    hooks.call("step_metrics", training=TRAINING, step=1, stage=1, metrics={"loss": 1.0})
    assert [r.getMessage() for r in caplog.records] == [
        "hook training_started of plugin tensorboard failed: BenchbenchError: BENCHBENCH_TENSORBOARD is set, but not "
        "TensorBoard installed: pip install 'benchbench-suite[tensorboard]'"
    ]
