"""One job: train what is not trained yet, score what is not scored yet, return the records."""

import hashlib
import inspect
import os
import platform
import resource
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
from benchbench.evaluation import Target, Trained
from benchbench.nn import convert_norm
from benchbench.records import Cost, Flags, Metric, Record, Summary
from benchbench.registry import find
from benchbench.rng import Rng, seeded_globals
from benchbench.settings import ComponentRef, nested
from benchbench.stages import Cell, Training
from benchbench.store import Store
from benchbench.training import Report, StageResult, run_stage


@dataclass(frozen=True)
class Job:
    """A training and the cells of it that have no record yet."""

    training: Training
    cells: tuple[Cell, ...]
    store: Path
    device: str = "cpu"


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
    training: Training, data: Prepared, store: Store | None, device: str, report: Report
) -> tuple[Trained, list[StageResult]]:
    """Run the chain of stages. Raises TrainingFailed."""
    sample = SampleSpec(data.dataset.modality, data.table.shape)
    encoder, learner = build(training, sample, device)
    results = []
    for number, stage in enumerate(training.stages):
        used = None if stage.objective == "plain" else learner
        say = _numbered(report, number, len(training.stages))
        results.append(
            run_stage(stage, number, encoder, used, data, training.seed, training.recipe, device, store, say)
        )
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
            trained, stages = train(training, data, store, job.device, lambda m: report(Event("progress", training, m)))
            for cell in job.cells:
                report(Event("progress", training, {"scoring": cell.target.name.split(":")[-1]}))
                record = _score(job, cell, trained, stages, data)
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
    store = Store(job.store)
    missing = [c for c in job.cells if c.key not in store.records(job.training.key)]
    flags = Flags(
        transductive=False, labels="none", selection=job.training.recipe["selection"], floor=job.training.floor
    )
    records = [
        Record(
            **_identity(job.training, cell), status="failed", reason=reason, flags=flags, environment=_environment(job)
        )
        for cell in missing
    ]
    store.add(job.training.key, records)
    report(Event("failed", job.training, reason))


def _identity(training: Training, cell: Cell) -> dict[str, Any]:
    protocol = {"name": cell.component.name, "revision": cell.component.revision, "settings": cell.component.settings}
    target = {"name": cell.target.name, "revision": cell.target.revision, "settings": cell.target.settings}
    return {
        "key": cell.key,
        "training_key": training.key,
        "matrix": training.matrix,
        "method": training.method,
        "source": training.source_name,
        "target": cell.target.name.split(":")[-1],
        "protocol": cell.protocol,
        "seed": training.seed,
        "content": {**training.content, "recipe": training.recipe, "target": target, "protocol": protocol},
    }


def _score(job: Job, cell: Cell, trained: Trained, stages: list[StageResult], data: Prepared) -> Record:
    started = time.monotonic()
    target_data = prepare(cell.target)
    target = Target(target_data, trained.sample, device=job.device)
    scores = cell.component.build().evaluate(trained, target, Rng(job.training.seed, "evaluate", cell.protocol))
    metrics = {name: Metric(values=s.values, denominator=s.denominator, unit=s.unit) for name, s in scores.items()}
    training = job.training
    identity = _identity(training, cell)
    identity["content"]["target"] |= {"fingerprint": target_data.fingerprint, "pixels": target_data.table.pixel_hash}
    identity["content"]["source_pixels"] = data.table.pixel_hash
    identity["content"]["training_ways"] = [s.ways for s in stages]
    learner = trained.learner
    identity["content"]["norm"] = {"train": learner.train_norm, "test": learner.test_norm}
    labels = any(r.load().uses_labels for s in training.stages for r in [s.pretext, *nested(s.pretext)])
    return Record(
        **identity,
        status="ok",
        scores=metrics,
        summary={name: Summary.of(m) for name, m in metrics.items()},
        episodes_hash=target.episodes_hash,
        cost=Cost(
            parameters=sum(p.numel() for p in trained.encoder.parameters()),
            samples=sum(s.samples for s in stages),
            encoder_passes=sum(s.encoder_passes for s in stages),
            flops=sum(s.flops for s in stages),
        ),
        flags=Flags(
            transductive=trained.transductive,
            labels="source" if labels or training.recipe["selection"] == "labelled-valid" else "none",
            selection=training.recipe["selection"],
            floor=training.floor,
        ),
        curve=[point for s in stages for point in s.curve],
        timing={
            "train_seconds": sum(s.seconds for s in stages),
            "evaluation_seconds": time.monotonic() - started,
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        },
        environment=_environment(job),
    )


def source_hash(ref: ComponentRef) -> str:
    """Of the file that a component's class stands in: whether its code changed since a record was made."""
    return hashlib.sha256(Path(inspect.getfile(ref.load())).read_bytes()).hexdigest()[:16]


def _environment(job: Job) -> dict[str, Any]:
    training = job.training
    refs = {training.backbone.name: training.backbone, training.learner.name: training.learner}
    refs |= {s.pretext.name: s.pretext for s in training.stages}
    versions = {find(r.kind, r.name).distribution: find(r.kind, r.name).version for r in refs.values()}
    device = torch.cuda.get_device_name() if job.device.startswith("cuda") else "cpu"
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": device,
        "machine": platform.machine(),
        "distributions": versions,
        "source_hashes": {name: source_hash(ref) for name, ref in refs.items()},
    }
