"""One job: train what is not trained yet, score what is not scored yet, write the records."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbench.components.code import component_hash
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.precision import check_precision
from benchbench.encoding.sample import SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench.errors import BenchbenchError, Stopped, StorageError, TrainingFailed
from benchbench.evaluation.feature_files import FeatureFiles
from benchbench.evaluation.trained import Trained
from benchbench.execution.recording import failed, scored
from benchbench.execution.settled import settled
from benchbench.keys import content_key
from benchbench.rng import Rng, seeded_globals
from benchbench.store.files import Store
from benchbench.store.records import Record
from benchbench.training.chain import Cell, Training
from benchbench.training.checkpoints import weights_digest
from benchbench.training.learner import MetaLearner
from benchbench.training.stage import Report, StageResult, StageRun, Stop, never, run_stage

#: Characters that a failed record keeps of a traceback, and of what a process printed.
TAIL = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """A training and those of its cells that have no record yet, or one that is to be replaced: `replaces` holds the
    digests of those records. With `rerun`, stages whose code has changed since they were trained are trained again."""

    training: Training
    cells: tuple[Cell, ...]
    store: Path
    device: str = "cpu"
    rerun: bool = False
    replaces: frozenset[str] = frozenset()

    def left(self) -> tuple[Cell, ...]:
        """The cells that no run has scored since the job was made."""
        held = Store(self.store).records(self.training.key)
        return tuple(c for c in self.cells if c.key not in held or digest(held[c.key]) in self.replaces)


def digest(record: Record) -> str:
    """A hash that tells apart two records with the same key."""
    return content_key(record.model_dump(mode="json"))


@dataclass(frozen=True)
class Event:
    """What a job reports: ``started``, ``progress`` (data: metrics), ``record`` (data: a record), and at its end
    ``finished`` (data: seconds), ``failed`` (data: the reason), ``stopped`` (it resumes in another run) or
    ``elsewhere`` (another run did it)."""

    kind: str
    training: Training
    data: Any = None


def build(training: Training, sample: SampleSpec, device: str) -> tuple[Backbone, MetaLearner]:
    """The encoder and the learner before training. The encoder's weights depend only on the seed, so that every method
    starts from the same ones."""
    with seeded_globals(Rng(training.seed, "encoder"), "cpu"):
        encoder: Backbone = training.backbone.build(sample)
    convert_norm(encoder)
    with seeded_globals(Rng(training.seed, "learner"), "cpu"):
        learner: MetaLearner = training.learner.build(encoder)
    return encoder.to(device), learner.to(device)


def train(
    training: Training,
    data: Prepared,
    store: Store | None,
    device: str,
    report: Report,
    *,
    rerun: bool = False,
    stop: Stop = never,
) -> tuple[Trained, list[StageResult]]:
    """Run the chain of stages. Raises TrainingFailed, and Stopped once `stop` returns true."""
    check_precision(training.recipe["precision"], device)
    sample = data.sample
    encoder, learner = build(training, sample, device)
    begun = weights_digest(encoder) if encoder.pretrained_on else None
    results = []
    for number, stage in enumerate(training.stages):
        used = None if stage.objective == "plain" else learner
        say = _numbered(report, number, len(training.stages))
        sources = {ref.name: component_hash(ref) for ref in [training.backbone, *stage.components]}
        run = StageRun(stage, number, encoder, used, data, training.seed, training.recipe, device, sources)
        results.append(run_stage(run, store, say, rerun=rerun, stop=stop))
    files = None
    if store and begun and weights_digest(encoder) == begun:
        files = FeatureFiles.of(store, training, sample, begun, device)
    return Trained(encoder, learner, sample, device, files), results


def scoring(training: Training, trained: Trained, cell: Cell, device: str) -> Trained:
    """What is scored on a cell: `trained`, but raw input is made for the samples of each target."""
    if not training.backbone.load().of_target:
        return trained
    sample = prepare(cell.target).raw
    return Trained(*build(training, sample, device), sample, device)


def _numbered(report: Report, number: int, stages: int) -> Report:
    return lambda metrics: report({"stage": number + 1, "stages": stages, **metrics})


def attempt(job: Job, report: Callable[[Event], None], stop: Stop = never) -> None:
    """Do a job in this process and write its records. Errors are not caught; raises Stopped once `stop` returns
    true."""
    training, store = job.training, Store(job.store)
    started = time.monotonic()
    report(Event("started", training))
    with settled(training.recipe["threads"], job.device):
        data = prepare(training.source)

        def say(metrics: dict[str, Any]) -> None:
            report(Event("progress", training, metrics))

        trained, stages = train(training, data, store, job.device, say, rerun=job.rerun, stop=stop)
        for cell in job.cells:
            if stop():
                raise Stopped
            say({"scoring": cell.target.bare})
            record = scored(training, cell, scoring(training, trained, cell, job.device), stages, data, job.device)
            store.add(training.key, [record])
            report(Event("record", training, record))
    report(Event("finished", training, time.monotonic() - started))


def run_job(job: Job, report: Callable[[Event], None], stop: Stop | None = None) -> None:
    """Do a job in this process and write its records; an error, or a plugin's ``sys.exit``, becomes `failed` records.
    Once `stop` returns true, the training writes its checkpoint and ends.

    Raises only StorageError, when the store cannot be written and the run cannot go on.
    """
    try:
        attempt(job, report, stop or never)
    except Stopped:
        report(Event("stopped", job.training))
    except StorageError:
        raise
    except (Exception, SystemExit) as error:
        reason, trace = explain(error)
        fail_job(job, reason, report, {"traceback": trace} if trace else {})


def explain(error: BaseException) -> tuple[str, str]:
    """(one-line reason, end of the traceback) for an error; one that is not a bug has no traceback."""
    if isinstance(error, (TrainingFailed, BenchbenchError)):
        return str(error), ""
    text = "".join(traceback.format_exception(error))[-TAIL:]
    if isinstance(error, SystemExit):
        return f"a plugin ended its process: sys.exit({error.code!r})", text
    return f"{type(error).__name__}: {error}", text


def fail_job(
    job: Job, reason: str, report: Callable[[Event], None], evidence: dict[str, str] | None = None, seconds: float = 0.0
) -> None:
    """Record that a job's remaining cells failed. `evidence` helps to find out why: ``traceback``, ``output`` (the end
    of what its process printed), ``log`` (a path below the store)."""
    training, store = job.training, Store(job.store)
    held = store.records(training.key)
    missing = [c for c in job.cells if c.key not in held or held[c.key].status == "failed"]
    records = [failed(training, cell, reason, job.device, evidence or {}, seconds) for cell in missing]
    if records:
        store.add(training.key, records)
    report(Event("failed", training, reason))
