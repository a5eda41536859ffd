import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from typing import Annotated

import torch
from pydantic import Field

from benchbench.components.registry import find
from benchbench.errors import StorageError
from benchbench.execution.claims import JobQueue
from benchbench.execution.executor import Executor
from benchbench.execution.interrupts import SIGNALS, Interrupts
from benchbench.execution.job import Event, Job, explain, fail_job
from benchbench.execution.process import Running

log = logging.getLogger("benchbench.execution")
#: Seconds between checks of limits, signals and other runs.
TICK = 0.25


class Local(Executor):
    """One process per training, `jobs` at a time. A crash, a hang or running out of memory costs one failed record per
    cell.

    Processes are forked from a server that has imported torch and computed nothing, so starting one is cheap. A
    training that takes longer than `timeout` seconds, or holds more than `memory` GiB, is killed. With several GPUs,
    each process sees one of them.
    """

    def __init__(
        self,
        *,
        jobs: Annotated[int, Field(ge=1)] = 1,
        timeout: Annotated[float, Field(gt=0)] | None = None,
        memory: Annotated[float, Field(gt=0)] | None = None,
    ):
        self.jobs, self.timeout, self.memory = jobs, timeout, memory

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job, alongside other runs on the store.

        The first signal (`Interrupts`) lets running trainings write their checkpoints; Interrupted is raised after
        that, or at once on a second Ctrl-C. Raises StorageError if the store can no longer be written.
        """
        context = _server(jobs)
        running: list[Running] = []
        broken = ""
        with Interrupts() as interrupts, JobQueue(jobs, report) as queue:
            try:
                while running or (queue.waiting and not interrupts and not broken):
                    ends = bool(interrupts or broken)
                    while not ends and len(running) < self.jobs and (job := queue.next()):
                        self._start(context, job, running, queue, report)
                    wait([handle for r in running for handle in r.handles], TICK)
                    for r in list(running):
                        broken = self._attend(r, running, queue, report) or broken
                    if running and (interrupts or broken) and not ends:
                        log.warning("stopping: what runs writes its checkpoint; Ctrl-C (again) ends it at once")
                        for r in running:
                            r.ask_to_stop()
            finally:
                for r in running:
                    r.kill()
                for r in running:
                    r.close()
        if broken:
            raise StorageError(broken)
        interrupts.check()

    def _start(
        self,
        context: ForkServerContext,
        job: Job,
        running: list[Running],
        queue: JobQueue,
        report: Callable[[Event], None],
    ) -> None:
        try:
            running.append(Running(context, job, _gpu(job, running), self.timeout, self.memory))
        except Exception as error:
            # The job cannot be sent to a process: a plugin's settings do not pickle.
            reason, trace = explain(error)
            report(Event("started", job.training))
            fail_job(job, reason, report, {"traceback": trace})
            queue.done(job)

    def _attend(self, r: Running, running: list[Running], queue: JobQueue, report: Callable[[Event], None]) -> str:
        """Handle a process's messages and notice if it has ended; returns why the store cannot be written, if it
        cannot."""
        ended = r.ended
        messages = r.receive()
        if ended:
            running.remove(r)
            messages += r.close()
        else:
            r.watch()
        for kind, data in messages:
            report(Event(kind, r.job.training, data))
        if not ended:
            return ""
        kind, data = r.ending or ("crashed", None)
        if kind == "stopped":
            report(Event("stopped", r.job.training))
            queue.again(r.job)
        elif kind == "unwritable":
            report(Event("stopped", r.job.training))
            queue.again(r.job)
            return str(data)
        elif kind == "finished":
            queue.done(r.job)
            report(Event(kind, r.job.training, data))
        else:
            reason, evidence = r.failure()
            fail_job(r.job, reason, report, evidence, r.seconds)
            queue.done(r.job)
        return ""


def _server(jobs: list[Job]) -> ForkServerContext:
    """The context whose server forks the training processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchbench.execution.warm"])
    os.environ["BENCHBENCH_WARM_MODULES"] = ",".join(sorted(_modules(jobs)))
    if threading.current_thread() is not threading.main_thread():
        return context
    # Signals that end a terminal's or a scheduler's processes reach the server too, and without it no one would know
    # how a training ended. It inherits the signals that are ignored when it starts.
    before = {s: signal.signal(s, signal.SIG_IGN) for s in SIGNALS}
    try:
        forkserver.ensure_running()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return context


def _modules(jobs: list[Job]) -> set[str]:
    """The modules that define the components of the jobs."""
    trainings = [job.training for job in jobs]
    refs = [ref for t in trainings for ref in (t.backbone, t.learner, t.source)]
    refs += [ref for t in trainings for stage in t.stages for ref in stage.components]
    refs += [ref for job in jobs for cell in job.cells for ref in (cell.target, cell.component)]
    return {find(*named).load().__module__ for named in {(ref.kind, ref.name) for ref in refs}}


def _gpu(job: Job, running: list[Running]) -> str | None:
    """The GPU that the fewest processes see, or None if there is no choice."""
    if job.device != "cuda" or torch.cuda.device_count() < 2:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    used = Counter(r.gpu for r in running)
    return min(gpus, key=lambda gpu: used[gpu])
