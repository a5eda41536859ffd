"""One tracked run for each training: Weights & Biases or Trackio, where ``BENCHBENCH_WANDB`` names a project, and
MLflow, where ``BENCHBENCH_MLFLOW`` is an address or a folder.

Settings are the run's config, losses its curves, and what a training cost and scored its summary. A tracker that fails
says so once and tracks no more; the trainings go on.
"""

import importlib
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbench import BenchbenchError, hookimpl, suggest


def flat(content: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found |= {f"{name}{separator}{inner}": v for inner, v in flat(value, separator).items()}
        else:
            found[str(name)] = value
    return found


def summary(cost: Mapping[str, float], scores: Mapping[str, Any]) -> dict[str, float]:
    """``target/protocol/metric`` with its interval, and ``cost/...``."""
    values = {f"cost/{name}": value for name, value in cost.items()}
    for where, of_metric in flat(scores, "/").items():
        metric, _, statistic = where.rpartition("/")
        if statistic == "mean":
            values[metric] = of_metric
        elif statistic == "ci95":
            values[f"{metric} ci95"] = of_metric
    return values


@dataclass
class Tracked:
    """A training's run, with the steps of its stages before this one: every stage counts from 1."""

    run: Any
    before: int = 0
    stage: int = 1
    step: int = 0

    def at(self, stage: int, step: int) -> int:
        """The number of a step among those of all stages."""
        if stage != self.stage:
            self.before, self.stage = self.before + self.step, stage
        self.step = step
        return self.before + step


class Tracker(ABC):
    """What a kind of tracker does with a run. `variable` asks for it and says where to."""

    variable: str

    def __init__(self) -> None:
        self.runs: dict[str, Tracked] = {}
        self.broken = ""

    @abstractmethod
    def open(self, where: str, training: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        """Begin the run of a training."""

    @abstractmethod
    def log(self, run: Any, step: int, metrics: Mapping[str, float]) -> None:
        """A point of each curve."""

    @abstractmethod
    def close(self, run: Any, status: str, values: Mapping[str, float], reason: str = "") -> None:
        """End a run that ``finished``, ``failed`` or ``stopped``, with its summary."""

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            # What a tracker prints is no part of a leaderboard.
            with redirect_stdout(sys.stderr):
                yield
        except (Exception, SystemExit) as error:
            self.broken = where = os.environ.get(self.variable, "")
            self.runs.clear()
            raise BenchbenchError(f"{self.variable}={where}: {error}; nothing more is tracked there") from error

    @hookimpl
    def training_started(self, training: dict[str, Any], settings: dict[str, Any]) -> None:
        """Begin a run, if that is asked for."""
        where = os.environ.get(self.variable, "")
        if where and where != self.broken:
            with self._guarded():
                self.runs[training["key"]] = Tracked(self.open(where, training, {**training, **settings}))

    @hookimpl
    def step_metrics(self, training: dict[str, Any], step: int, stage: int, metrics: dict[str, float]) -> None:
        """A point of each curve; the names of later stages have a prefix, since they minimise something else."""
        if tracked := self.runs.get(training["key"]):
            prefix = f"stage {stage}/" if stage > 1 else ""
            with self._guarded():
                named = {f"{prefix}{name}": value for name, value in metrics.items()}
                self.log(tracked.run, tracked.at(stage, step), named)

    @hookimpl
    def training_finished(self, training: dict[str, Any], cost: dict[str, float], scores: dict[str, Any]) -> None:
        """End the run with its scores and costs."""
        self._end(training, "finished", summary(cost, scores))

    @hookimpl
    def training_failed(self, training: dict[str, Any], reason: str) -> None:
        """End the run as failed."""
        self._end(training, "failed", {}, reason)

    @hookimpl
    def training_stopped(self, training: dict[str, Any]) -> None:
        """End the run as stopped; the next one begins another."""
        self._end(training, "stopped", {})

    def _end(self, training: Mapping[str, Any], status: str, values: Mapping[str, float], reason: str = "") -> None:
        if tracked := self.runs.pop(training["key"], None):
            with self._guarded():
                self.close(tracked.run, status, values, reason)


class Wandb(Tracker):
    """Weights & Biases or Trackio, whose interface is the same: ``BENCHBENCH_WANDB_MODULE`` names the package."""

    variable = "BENCHBENCH_WANDB"

    def open(self, where: str, training: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        """A run of the project `where`, beside those of the other trainings."""
        modules = ("trackio", "wandb")
        if (name := os.environ.get("BENCHBENCH_WANDB_MODULE", "wandb")) not in modules:
            raise BenchbenchError(f"BENCHBENCH_WANDB_MODULE={name}{suggest(name, modules)}")
        module = _imported(name)
        more: dict[str, Any] = {}
        if name == "wandb":
            more = {"reinit": "create_new", "settings": module.Settings(silent=True, console="off")}
        group = str(training["matrix"])
        return module.init(project=where, name=str(training["label"]), group=group, config=dict(config), **more)

    def log(self, run: Any, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        run.log(dict(metrics), step=step)

    def close(self, run: Any, status: str, values: Mapping[str, float], reason: str = "") -> None:
        """See `Tracker`. Trackio has neither summaries nor ends that differ: scores are its last point."""
        if not hasattr(run, "summary"):
            if values:
                run.log(dict(values))
            run.finish()
            return
        run.summary.update({**values, "status": status, **({"reason": reason} if reason else {})})
        run.finish(exit_code=int(status != "finished"))


class MLflow(Tracker):
    """MLflow; without ``://``, a folder that gets a database. An experiment is a matrix."""

    variable = "BENCHBENCH_MLFLOW"

    def open(self, where: str, training: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        """(client, id) of a run; the client is told which run it is, so that several are open at once."""
        # A benchmark sends no usage reports.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow = _imported("mlflow")
        if "://" not in where:
            Path(where).mkdir(parents=True, exist_ok=True)
            where = f"sqlite:///{Path(where).resolve() / 'mlflow.db'}"
        client, name = mlflow.MlflowClient(tracking_uri=where), str(training["matrix"])
        held = client.get_experiment_by_name(name)
        experiment = held.experiment_id if held else client.create_experiment(name)
        run = client.create_run(experiment, run_name=str(training["label"])).info.run_id
        for key, value in flat(config).items():
            client.log_param(run, _allowed(key), value)
        return client, run

    def log(self, run: Any, step: int, metrics: Mapping[str, float]) -> None:
        """See `Tracker`."""
        client, key = run
        metric, now = _imported("mlflow.entities").Metric, int(time.time() * 1000)
        client.log_batch(key, [metric(_allowed(name), float(value), now, step) for name, value in metrics.items()])

    def close(self, run: Any, status: str, values: Mapping[str, float], reason: str = "") -> None:
        """See `Tracker`."""
        client, key = run
        self.log(run, 0, values)
        if reason:
            client.set_tag(key, "reason", reason)
        ends = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
        client.set_terminated(key, ends[status])


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        raise BenchbenchError(f"{error}: pip install 'benchbench-trackers[{top}]'") from None


def _allowed(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-./: ]", "_", name)


wandb, mlflow = Wandb(), MLflow()
