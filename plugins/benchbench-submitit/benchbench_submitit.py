"""An executor for SLURM by submitit (https://github.com/facebookincubator/submitit): one batch job for each training.
What jobs report comes back through a folder of the store, which every node mounts."""

import base64
import os
import pickle
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from benchbench import BenchbenchError, Event, Executor, Interrupts, Job, JobQueue, StorageError, fail_job, run_job

#: Seconds between two looks at the jobs, and between two questions to SLURM.
TICK, ASK = 0.5, 30.0
#: Seconds after a job's end in which what it wrote last may still be on its way through a shared file system.
GRACE = {"slurm": 15.0, "local": 0.5, "debug": 0.0}
#: Seconds for a training to write its checkpoint before its job is requeued; SLURM kills it after 90.
PATIENCE = 60.0
#: Characters that a failed record keeps of what a job printed.
TAIL = 2000


class Submitit(Executor):
    """One SLURM job per training, by submitit.

    `partition` is the one to submit to, `minutes` the time limit of a job, `memory` its GiB, `cpus` its cores (by
    default as many as its matrix gives threads to a training) and `gpus` its GPUs on device ``cuda``. At most `jobs`
    wait or run at a time, by default 100. sbatch reads everything else, such as ``SBATCH_ACCOUNT``, from the
    environment. A job over a limit, or killed, leaves a failed record per cell; one that is preempted writes its
    checkpoint, is requeued and resumes there.

    `cluster` may also be ``local``, which starts processes on this machine (by default one a core), or ``debug``, which
    runs one training after another in this process.
    """

    def __init__(
        self,
        *,
        cluster: Literal["slurm", "local", "debug"] = "slurm",
        jobs: Annotated[int, Field(ge=1)] | None = None,
        partition: str = "",
        minutes: Annotated[int, Field(ge=1)] = 240,
        memory: Annotated[float, Field(gt=0)] | None = None,
        cpus: Annotated[int, Field(ge=1)] | None = None,
        gpus: Annotated[int, Field(ge=1)] = 1,
    ):
        self.cluster, self.partition, self.minutes = cluster, partition, minutes
        self.memory, self.cpus, self.gpus = memory, cpus, gpus
        self.jobs = jobs or (100 if cluster == "slurm" else os.cpu_count() or 1)

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job, alongside other runs on the store. When interrupted, it cancels those that wait or run.

        Raises BenchbenchError if submitit is not installed or SLURM is not here or refuses a job, StorageError if a job
        cannot write its results.
        """
        try:
            import submitit
        except ImportError:
            raise BenchbenchError("executor submitit needs submitit: pip install benchbench-submitit") from None
        if not jobs:
            return
        # Over its limit, a job ends; submitit would requeue it.
        limits = {} if self.cluster == "debug" else {f"{self.cluster}_max_num_timeout": 0}
        try:
            executor = submitit.AutoExecutor(jobs[0].store / "submitit", self.cluster, **limits)
        except RuntimeError as error:
            raise BenchbenchError(f"executor submitit: {error} (try --executor-option cluster=local)") from None
        _Run(self, executor, jobs, report).run()

    def asks(self, job: Job) -> dict[str, Any]:
        """What submitit is to ask for a job."""
        asked: dict[str, Any] = {
            "name": f"benchbench-{job.training.key[:8]}",
            "timeout_min": self.minutes,
            "cpus_per_task": self.cpus or job.training.recipe["threads"],
            "mem_gb": self.memory,
            "gpus_per_node": self.gpus if job.device.startswith("cuda") else None,
            "slurm_partition": self.partition or None,
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass
class _Submitted:
    """A job that was submitted as `handle`, and how far the file of its `events` was read."""

    job: Job
    handle: Any
    events: Path
    read: int = 0
    began: float = field(default_factory=time.monotonic)
    started: bool = False
    ended: bool = False
    gone: float = 0.0

    def messages(self) -> Iterator[tuple[str, Any]]:
        """What it has reported since the last call, in whole lines."""
        with suppress(FileNotFoundError), self.events.open("rb") as file:
            file.seek(self.read)
            while (line := file.readline()).endswith(b"\n"):
                self.read += len(line)
                # A job that is requeued may have left half a line.
                with suppress(ValueError, EOFError, pickle.UnpicklingError):
                    yield pickle.loads(base64.b64decode(line[:-1], validate=True))


class _Run:
    """One run of jobs."""

    def __init__(self, settings: Submitit, executor: Any, jobs: list[Job], report: Callable[[Event], None]):
        self.settings, self.executor, self.report = settings, executor, report
        self.queue = JobQueue(jobs, report)
        self.submitted: list[_Submitted] = []
        self.asked = time.monotonic()

    def run(self) -> None:
        with Interrupts() as interrupts, self.queue as queue:
            try:
                while (self.submitted or queue.waiting) and not interrupts:
                    while len(self.submitted) < self.settings.jobs and (job := queue.next()):
                        self._submit(job)
                    for held in list(self.submitted):
                        self._attend(held)
                    time.sleep(TICK)
            finally:
                for held in self.submitted:
                    with suppress(OSError, subprocess.SubprocessError):
                        held.handle.cancel(check=False)
                for held in (held for held in self.submitted if held.started):
                    self.report(Event("stopped", held.job.training))
        interrupts.check()

    def _submit(self, job: Job) -> None:
        events = Path(self.executor.folder, f"{job.training.key[:16]}-{time.time_ns()}.events")
        self.executor.update_parameters(**self.settings.asks(job))
        try:
            handle = self.executor.submit(_Work(job, events))
        except Exception as error:  # whatever sbatch says comes in several types
            raise BenchbenchError(f"executor submitit: a job was refused: {error}") from error
        self.submitted.append(_Submitted(job, handle, events))

    def _attend(self, held: _Submitted) -> None:
        """Pass on what a job has reported, and notice its end."""
        # submitit asks SLURM less and less often; asked for one job, it learns of all.
        force = time.monotonic() - self.asked > ASK
        self.asked = time.monotonic() if force else self.asked
        over = held.handle.done(force_check=force)
        for kind, data in held.messages():
            if kind == "unwritable":
                raise StorageError(data)
            held.ended |= kind in ("finished", "failed")
            if kind != "started" or not held.started:
                self.report(Event(kind, held.job.training, data))
            held.started |= kind == "started"
        held.gone = over and (held.gone or time.monotonic())
        if not over or (not held.ended and time.monotonic() - held.gone < GRACE[self.settings.cluster]):
            return
        self.submitted.remove(held)
        if not held.ended:
            reason, evidence = self._why(held)
            fail_job(held.job, reason, self.report, evidence, time.monotonic() - held.began)
        else:
            for path in (*held.events.parent.glob(f"{held.handle.job_id}_*"), held.events):
                path.unlink(missing_ok=True)
        self.queue.done(held.job)

    def _why(self, held: _Submitted) -> tuple[str, dict[str, str]]:
        """(reason, evidence) for a job that ended without a word."""
        handle, number = held.handle, held.handle.job_id
        evidence = {"log": f"submitit/{handle.paths.stderr.name}", "output": (handle.stderr() or "")[-TAIL:]}
        said = str(handle.exception()) if handle.paths.result_pickle.exists() else ""
        if "timed-out" in said or handle.state == "TIMEOUT":
            return f"it took longer than the limit of {self.settings.minutes} minutes", evidence
        state = "" if self.settings.cluster == "local" else f" ({handle.state})"
        evidence |= {"traceback": said[-TAIL:]} if said else {}
        return f"its job {number} ended before its training{state}", evidence


# In a job


class _Work:
    """Does a job and reports through a file. The training has a thread of its own: submitit answers signals in the main
    one by ending the process, which is no failure of the training."""

    def __init__(self, job: Job, events: Path):
        self.job, self.events = job, events

    def __call__(self) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._train, args=(self.stop.is_set,), daemon=True)
        self.thread.start()
        self.thread.join()

    def checkpoint(self) -> Any:
        """Before the job is requeued: let the training write its checkpoint. It resumes there."""
        from submitit.helpers import DelayedSubmission

        self.stop.set()
        self.thread.join(PATIENCE)
        return DelayedSubmission(_Work(self.job, self.events))

    def _train(self, stop: Callable[[], bool]) -> None:
        with self.events.open("ab", buffering=0) as file:
            file.write(b"\n")

            def say(kind: str, data: Any) -> None:
                # A job that was stopped is requeued or over its limit.
                if kind != "stopped":
                    file.write(base64.b64encode(pickle.dumps((kind, data))) + b"\n")

            try:
                run_job(self.job, lambda event: say(event.kind, event.data), stop)
            except StorageError as error:
                say("unwritable", str(error))
