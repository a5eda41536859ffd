"""One job: train what is not trained yet, score what is not scored yet, return the records."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchbench.components import Backbone, MetaLearner, SampleSpec
from benchbench.data.prepare import Prepared, prepare
from benchbench.errors import BenchbenchError, TrainingFailed
from benchbench.evaluation import Trained
from benchbench.execution.recording import failed, scored
from benchbench.nn import convert_norm
from benchbench.rng import Rng, seeded_globals
from benchbench.sources import component_hash
from benchbench.stages import Cell, Training
from benchbench.store import Store
from benchbench.training import Report, StageResult, StageRun, run_stage


@dataclass(frozen=True)
class Job:
    """A training and the cells of it that have no record yet. With `rerun`, stages whose code changed since they
    were trained are trained again."""

    training: Training
    cells: tuple[Cell, ...]
    store: Path
    device: str = "cpu"
    rerun: bool = False


@dataclass(frozen=True)
class Event:
    """What a job says: ``started``, ``progress`` (data: metrics), ``record`` (data: a record), ``finished`` or
    ``failed`` (data: the reason)."""

    kind: str
    training: Training
    data: Any = None


def build(training: Training, sample: SampleSpec, device: str) -> tuple[Backbone, MetaLearner]:
    """The encoder and the learner as they begin. The encoder's weights depend on the seed alone, so that every method
    starts from the same ones."""
    with seeded_globals(Rng(training.seed, "encoder"), "cpu"):
        encoder: Backbone = training.backbone.build(sample)
    convert_norm(encoder)
    with seeded_globals(Rng(training.seed, "learner"), "cpu"):
        learner: MetaLearner = training.learner.build(encoder)
    return encoder.to(device), learner.to(device)


def train(
    training: Training, data: Prepared, store: Store | None, device: str, report: Report, *, rerun: bool = False
) -> tuple[Trained, list[StageResult]]:
    """Run the chain of stages. Raises TrainingFailed."""
    sample = SampleSpec(data.dataset.modality, data.table.shape)
    encoder, learner = build(training, sample, device)
    results = []
    for number, stage in enumerate(training.stages):
        used = None if stage.objective == "plain" else learner
        say = _numbered(report, number, len(training.stages))
        sources = {ref.name: component_hash(ref) for ref in [training.backbone, *stage.components]}
        run = StageRun(stage, number, encoder, used, data, training.seed, training.recipe, device, sources)
        results.append(run_stage(run, store, say, rerun=rerun))
    return Trained(encoder, learner, sample, device), results


def _numbered(report: Report, number: int, stages: int) -> Report:
    return lambda metrics: report({"stage": number + 1, "stages": stages, **metrics})


@contextmanager
def settled(threads: int, device: str) -> Iterator[None]:
    """Run a block on `threads` threads with deterministic algorithms; afterwards all is as before."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def run_job(job: Job, report: Callable[[Event], None]) -> None:
    """Do a job in this process and write its records; an error becomes `failed` records, never an exception."""
    training, store = job.training, Store(job.store)
    started = time.monotonic()
    report(Event("started", training))
    try:
        with settled(training.recipe["threads"], job.device):
            data = prepare(training.source)
            trained, stages = train(
                training, data, store, job.device, lambda m: report(Event("progress", training, m)), rerun=job.rerun
            )
            for cell in job.cells:
                report(Event("progress", training, {"scoring": cell.target.name.split(":")[-1]}))
                record = scored(training, cell, trained, stages, data, job.device)
                store.add(training.key, [record])
                report(Event("record", training, record))
    except (TrainingFailed, BenchbenchError) as error:
        fail(job, str(error), report)
    except Exception as error:
        fail(job, f"{type(error).__name__}: {error}", report)
        raise
    else:
        report(Event("finished", training, time.monotonic() - started))


def fail(job: Job, reason: str, report: Callable[[Event], None]) -> None:
    """Record that a job's remaining cells failed."""
    training, store = job.training, Store(job.store)
    missing = [c for c in job.cells if c.key not in store.records(training.key)]
    store.add(training.key, [failed(training, cell, reason, job.device) for cell in missing])
    report(Event("failed", training, reason))
