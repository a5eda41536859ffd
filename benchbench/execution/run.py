"""Runs a plan into a store: what is missing becomes jobs, an executor runs them, and all listeners are told."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchbench.components.registry import find
from benchbench.components.settings import construct, resolve_settings, schema
from benchbench.encoding.precision import check_precision
from benchbench.execution.executor import Executor
from benchbench.execution.hooks import Hooks
from benchbench.execution.job import Event, Job, digest
from benchbench.execution.progress import ProgressFiles
from benchbench.execution.recording import current_sources
from benchbench.execution.schedule import costs, ordered
from benchbench.execution.told import about, outcome, settings
from benchbench.planning.plan import Plan
from benchbench.store.briefs import each_brief, remember
from benchbench.store.files import Store
from benchbench.store.plans import PlanFile, PlannedCell, PlannedTraining, write_plan
from benchbench.store.records import Record
from benchbench.training.chain import Cell, Training


@dataclass
class Outcome:
    """What a run did: the trainings that were trained, reused and failed. `changed` lists reused trainings with the
    components whose code has changed although their revision has not; `failures` the keys of all trainings of the
    matrix with a failed record, from this run or an earlier one."""

    store: Store
    trainings: list[Training] = field(repr=False)
    trained: int = 0
    reused: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[str, list[str]]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @cached_property
    def records(self) -> list[Record]:
        """The records of the matrix, in the order of its cells. They are read from the store on first use, since those
        of a large matrix take more memory than its run."""
        return self._read()

    def _read(self) -> list[Record]:
        held = [(t, self.store.records(t.key)) for t in self.trainings]
        return [found[c.key] for t, found in held for c in t.cells if c.key in found]


def run_plan(
    todo: Plan,
    results: Path | str,
    *,
    jobs: int | None = None,
    executor: str = "local",
    executor_settings: Mapping[str, Any] | None = None,
    shard: tuple[int, int] | None = None,
    device: str = "cpu",
    retry_failed: bool = False,
    rerun_changed: bool = False,
    report: Callable[[Event], None] | None = None,
) -> Outcome:
    """Run a plan into a store; see `benchbench.run`."""
    runner = make_executor(executor, jobs, executor_settings or {}, device)
    trainings = sharded(todo.trainings, shard)
    for precision in sorted({t.recipe["precision"] for t in trainings}):
        check_precision(precision, device)
    store = Store(results).open()
    done = Outcome(store, trainings, failed=list(todo.broken))
    work: list[Job] = []
    where = store.root.resolve()
    for training in trainings:
        held = store.records(training.key)
        cells = _missing(training, held, retry_failed)
        changed = changed_sources(training, held.values())
        if changed and rerun_changed:
            cells = training.cells
        elif changed:
            done.changed.append((training.label, changed))
        if cells:
            replaces = frozenset(digest(held[c.key]) for c in cells if c.key in held)
            work.append(Job(training, cells, where, device, rerun_changed, replaces))
        else:
            done.reused += 1
        if any(held[c.key].status == "failed" for c in training.cells if c.key in held and c not in cells):
            done.failures.append(training.key)
    write_plan(plan_file(todo), store)
    hooks, note = Hooks.installed(), ProgressFiles(store)

    def hear(event: Event) -> None:
        note(event)
        _tell(hooks, store, event)
        if event.kind in ("finished", "failed"):
            remember(store.root, store.record_file(event.training.key))
        done.trained += event.kind == "finished"
        done.reused += event.kind == "elsewhere"
        if event.kind == "failed":
            done.failed.append((event.training.label, event.data))
        if event.kind == "failed" or (event.kind == "elsewhere" and _failed(store, event.training)):
            done.failures.append(event.training.key)
        if report:
            report(event)

    try:
        if work:
            runner.run(ordered(work, costs(each_brief(store.root))), hear)
    finally:
        note.clear()
    done.failures = list(dict.fromkeys(done.failures))
    return done


def plan_file(todo: Plan) -> PlanFile:
    """A plan in the form that commands read without importing plugins."""
    trainings = [
        PlannedTraining(
            t.key,
            t.label,
            t.method,
            t.source_name,
            t.seed,
            [s.key for s in t.stages],
            [PlannedCell(c.key, c.target.bare, c.protocol) for c in t.cells],
        )
        for t in todo.trainings
    ]
    return PlanFile(todo.matrix.name, trainings)


def _tell(hooks: Hooks, store: Store, event: Event) -> None:
    training = about(event.training)
    if event.kind == "started":
        hooks.call("training_started", training=training, settings=settings(event.training))
    elif event.kind == "progress" and "step" in event.data:
        place = {name: event.data[name] for name in ("step", "stage")}
        metrics = {k: v for k, v in event.data.items() if k not in ("step", "steps", "stage", "stages")}
        hooks.call("step_metrics", training=training, **place, metrics=metrics)
    elif event.kind == "record":
        hooks.call("record_written", record=event.data)
    elif event.kind == "finished":
        cost, scores = outcome(event.training, store.records(event.training.key))
        hooks.call("training_finished", training=training, seconds=event.data, cost=cost, scores=scores)
    elif event.kind == "failed":
        hooks.call("training_failed", training=training, reason=event.data)
    elif event.kind == "stopped":
        hooks.call("training_stopped", training=training)


def default_jobs(device: str) -> int:
    """Trainings at a time: one per core that this process may use, or one per GPU."""
    if device == "cuda":
        return max(1, torch.cuda.device_count())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sharded(trainings: Sequence[Training], shard: tuple[int, int] | None) -> list[Training]:
    """The i-th of n parts of `trainings`, counting from 1. It depends only on their keys, so the parts are the same on
    every machine."""
    if shard is None:
        return list(trainings)
    index, count = shard
    return [t for t in trainings if int(t.key[:16], 16) % count == index - 1]


def make_executor(name: str, jobs: int | None, settings: Mapping[str, Any], device: str = "cpu") -> Executor:
    """The executor `name` with its settings. `jobs` is one of them; if it is not given, `default_jobs` of this machine
    is used, unless the executor's own default is None, which lets it decide for itself. Raises BenchbenchError for a
    setting that the executor does not take."""
    cls = find("executor", name).load()
    own = schema(cls).model_fields.get("jobs")
    if jobs is None and own is not None and own.default is not None:
        jobs = default_jobs(device)
    given = {**({} if jobs is None else {"jobs": jobs}), **settings}
    return construct(cls, settings=resolve_settings(f"executor {name}", cls, given))


def missing_cells(training: Training, store: Store, retry_failed: bool = False) -> tuple[Cell, ...]:
    """The cells of a training that have no record or, with `retry_failed`, none that is ok."""
    return _missing(training, store.records(training.key), retry_failed)


def _missing(training: Training, held: Mapping[str, Record], retry_failed: bool) -> tuple[Cell, ...]:
    done = {key for key, r in held.items() if r.status == "ok" or not retry_failed}
    return tuple(c for c in training.cells if c.key not in done)


def _failed(store: Store, training: Training) -> bool:
    held = store.records(training.key)
    return any(held[c.key].status == "failed" for c in training.cells if c.key in held)


def changed_sources(training: Training, records: Iterable[Record]) -> list[str]:
    """The components of a training whose code has changed since its records were made."""
    now = current_sources(training)
    then = [r.environment.get("source_hashes", {}) for r in records if r.status == "ok"]
    return sorted({name for held in then for name, made_with in held.items() if now.get(name) != made_with})


def default_device() -> str:
    """``cuda`` if there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"
