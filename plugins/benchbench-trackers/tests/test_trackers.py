"""What trackers hold after a run, read back from the real packages where they are installed."""

import json
import logging
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import benchbench_trackers
import pytest

import benchbench
from benchbench.testing import installed

MATRIX = """
name = "tracked"
floors = false
[axes]
pretext = ["rotation"]
meta = ["protonet"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]
regime = ["pipeline", "pseudo"]
[budget]
steps = 4
[episodes]
meta_batch = 2
queries = 2
[settings.protocol.episodic]
episodes = 5
[settings.backbone.mlp]
width = 8
depth = 1
"""


@pytest.fixture(autouse=True)
def trackers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Both as they are loaded, unasked, in a folder of their own."""
    for name in ("BENCHBENCH_WANDB", "BENCHBENCH_WANDB_MODULE", "BENCHBENCH_MLFLOW"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    # Fresh ones: a tracker that failed once tracks no more.
    monkeypatch.setattr(benchbench_trackers, "wandb", benchbench_trackers.Wandb())
    monkeypatch.setattr(benchbench_trackers, "mlflow", benchbench_trackers.MLflow())
    with installed(Path(benchbench_trackers.__file__).parent):
        yield


def run() -> list[Any]:
    """The records of a pipeline and a pseudo-labelled training, the latter first."""
    Path("tracked.toml").write_text(MATRIX)
    done = benchbench.run("tracked.toml", "runs", executor="inline")
    assert not done.failed
    return sorted(done.records, key=lambda r: r.method.regime != "pseudo")


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of an offline run's file, which is LevelDB's log format after seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, held = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (rest := 32768 - at % 32768) < 7:
            at += rest
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        held += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(held)
            yield record
            held = b""


def wandb_run(path: Path) -> dict[str, Any]:
    """Name, config, curve and summary of a run."""
    found: dict[str, Any] = {"config": {}, "history": [], "summary": {}}
    for record in wandb_records(path):
        if record.HasField("run"):
            found["name"], found["project"] = record.run.display_name, record.run.project
            found["config"] |= {i.key: json.loads(i.value_json) for i in record.run.config.update if i.key}
        elif record.HasField("history"):
            row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
            found["history"].append({"step": record.history.step.num, **row})
        elif record.HasField("summary"):
            update = record.summary.update
            found["summary"] |= {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in update}
        elif record.HasField("exit"):
            found["exit"] = record.exit.exit_code
    return found


def test_wandb_holds_one_run_a_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "BENCHBENCH_WANDB": "few-shot"}.items():
        monkeypatch.setenv(name, value)
    first, second = run()
    # A process of wandb's own writes the files, and may do so after a run's end.
    wandb.teardown()
    runs = {r["config"]["key"]: r for r in map(wandb_run, (tmp_path / "wandb").glob("offline-run-*/*.wandb"))}
    assert len(runs) == 2
    for record, steps in ((first, [1, 2, 3, 4]), (second, [1, 2, 3, 4])):
        held = runs[record.training_key]
        assert held["project"] == "few-shot"
        assert held["config"]["backbone"]["settings"] == {"width": 8, "depth": 1}
        assert held["config"]["budget"] == {"steps": 4}
        assert [row["step"] for row in held["history"] if "loss" in row or "stage 2/loss" in row] == steps
        accuracy = record.summary["accuracy"]
        assert held["summary"]["digits/5way-1shot/accuracy"] == pytest.approx(accuracy.mean)
        assert held["summary"]["digits/5way-1shot/accuracy ci95"] == pytest.approx(accuracy.ci95)
        assert held["summary"]["cost/flops"] == record.cost.flops
        assert held["exit"] == 0
    # A pipeline's second stage has a curve of its own, after the first one's.
    assert [r["step"] for r in runs[second.training_key]["history"] if "stage 2/loss" in r] == [3, 4]
    assert capsys.readouterr().out == ""


def test_mlflow_holds_one_run_a_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    for needed in ("sqlalchemy", "alembic"):
        pytest.importorskip(needed, reason="MLflow's database needs it")
    monkeypatch.setenv("BENCHBENCH_MLFLOW", str(tmp_path / "mine"))
    first, second = run()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mine' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tracked")
    runs = {r.data.params["key"]: r for r in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 2
    for record in (first, second):
        held = runs[record.training_key]
        assert held.info.status == "FINISHED"
        assert held.data.params["backbone.settings.width"] == "8"
        assert held.data.metrics["digits/5way-1shot/accuracy"] == pytest.approx(record.summary["accuracy"].mean)
        assert held.data.metrics["cost/flops"] == record.cost.flops
    steps = [m.step for m in client.get_metric_history(runs[second.training_key].info.run_id, "stage 2/loss")]
    assert steps == [3, 4]


class Fake(types.ModuleType):
    """A package with wandb's interface, as Trackio's: runs without a summary."""

    def __init__(self, fails_at: str = ""):
        super().__init__("trackio")
        self.fails_at, self.runs = fails_at, []  # type: ignore[var-annotated]

    def init(self, **about: Any) -> Any:
        print("* initialised")
        self.do("init")
        self.runs.append({"about": about, "log": [], "ended": False})
        return FakeRun(self, self.runs[-1])

    def do(self, what: str) -> None:
        if what == self.fails_at:
            raise RuntimeError("no space")


class FakeRun:
    def __init__(self, module: Fake, held: dict[str, Any]):
        self.module, self.held = module, held

    def log(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.module.do("log")
        self.held["log"].append((step, metrics))

    def finish(self) -> None:
        self.module.do("finish")
        self.held["ended"] = True


def test_trackio_gets_scores_as_its_last_point(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    fake = Fake()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    monkeypatch.setenv("BENCHBENCH_WANDB", "few-shot")
    monkeypatch.setenv("BENCHBENCH_WANDB_MODULE", "trackio")
    first, _ = run()
    (held,) = [r for r in fake.runs if r["about"]["config"]["key"] == first.training_key]
    assert held["about"]["project"] == "few-shot"
    assert set(held["about"]) == {"project", "name", "group", "config"}
    assert [step for step, _ in held["log"]] == [1, 2, 3, 4, None]
    assert held["log"][-1][1]["digits/5way-1shot/accuracy"] == first.summary["accuracy"].mean
    assert held["ended"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fails_at", ["init", "log", "finish"])
def test_a_tracker_that_fails_says_so_once_and_disturbs_nothing(
    fails_at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", Fake(fails_at))
    monkeypatch.setenv("BENCHBENCH_WANDB", "few-shot")
    monkeypatch.setenv("BENCHBENCH_WANDB_MODULE", "trackio")
    with caplog.at_level(logging.WARNING, "benchbench.hooks"):
        assert [r.status for r in run()] == ["ok", "ok"]
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "benchbench.hooks"]
    assert warning.endswith("BenchbenchError: BENCHBENCH_WANDB=few-shot: no space; nothing more is tracked there")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"BENCHBENCH_WANDB": "p", "BENCHBENCH_WANDB_MODULE": "trackoi"}, "did you mean 'trackio'?"),
        ({"BENCHBENCH_WANDB": "p"}, "pip install 'benchbench-trackers[wandb]'"),
        ({"BENCHBENCH_MLFLOW": "m"}, "pip install 'benchbench-trackers[mlflow]'"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracker = benchbench_trackers.MLflow() if "BENCHBENCH_MLFLOW" in environment else benchbench_trackers.Wandb()
    training = {"key": "ab" * 32, "label": "a", "matrix": "m", "seed": 0}
    with pytest.raises(benchbench.BenchbenchError) as caught:
        tracker.training_started(training, {})
    assert message in str(caught.value)
    tracker.training_started(training, {})  # it has said so


@pytest.mark.parametrize(("end", "code"), [("failed", 1), ("stopped", 1), ("finished", 0)])
def test_how_a_training_ended_is_kept(end: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Run:
        summary: dict[str, Any] = {}
        ended: list[int] = []

        def finish(self, exit_code: int) -> None:
            self.ended.append(exit_code)

    held, training = Run(), {"key": "ab" * 32}
    held.summary, held.ended = {}, []
    tracker = benchbench_trackers.Wandb()
    tracker.runs[training["key"]] = benchbench_trackers.Tracked(held)
    if end == "failed":
        tracker.training_failed(training, "non-finite loss")
    elif end == "stopped":
        tracker.training_stopped(training)
    else:
        tracker.training_finished(training, {"flops": 3}, {})
    assert held.ended == [code]
    assert held.summary["status"] == end
    assert held.summary.get("reason") == ("non-finite loss" if end == "failed" else None)
    assert held.summary.get("cost/flops") == (3 if end == "finished" else None)


def test_unasked_they_import_and_write_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("wandb", "trackio", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    run()
    assert {p.name for p in tmp_path.iterdir()} == {"runs", "tracked.toml"}
