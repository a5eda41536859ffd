import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Annotated

from pydantic import Field

from benchbench.components import Executor
from benchbench.execution.job import Event, Job, fail, run_job
from benchbench.store import Store

#: Freed memory is kept for the next step instead of going back to the kernel: a step of Conv-4 takes a quarter less.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}


class Local(Executor):
    """One process a training, `jobs` at a time. A crash, or a kill for want of memory, is one failed record.

    Processes are forked from a server that has torch imported and has computed nothing, so a start costs little.
    """

    def __init__(self, *, jobs: Annotated[int, Field(ge=1)] = 1):
        self.jobs = jobs

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job; jobs that share an unfinished stage run one after another."""
        for name, value in ALLOCATOR.items():
            os.environ.setdefault(name, value)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["benchbench.execution.job"])
        waiting, running = list(jobs), dict[Connection, tuple[BaseProcess, Job, Connection]]()
        try:
            while waiting or running:
                while len(running) < self.jobs and (job := self._next(waiting, running)):
                    waiting.remove(job)
                    ours, theirs = context.Pipe()
                    process: BaseProcess = context.Process(target=_work, args=(job, theirs), daemon=False)
                    process.start()
                    theirs.close()
                    running[ours] = (process, job, theirs)
                for ready in wait(list(running)):
                    assert isinstance(ready, Connection)
                    self._receive(ready, running, report)
        finally:
            for process, _, _ in running.values():
                process.terminate()
            for process, _, _ in running.values():
                process.join()

    def _next(self, waiting: list[Job], running: dict[Connection, tuple[BaseProcess, Job, Connection]]) -> Job | None:
        busy = {s.key for _, job, _ in running.values() for s in job.training.stages}
        return next((j for j in waiting if not busy & {s.key for s in j.training.stages}), None)

    def _receive(
        self,
        connection: Connection,
        running: dict[Connection, tuple[BaseProcess, Job, Connection]],
        report: Callable[[Event], None],
    ) -> None:
        process, job, _ = running[connection]
        try:
            event: Event = connection.recv()
        except (EOFError, OSError):
            process.join()
            del running[connection]
            connection.close()
            if process.exitcode != 0:
                code = process.exitcode or 0
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                log = Store(job.store).log(job.training.key)
                fail(job, f"its process ended with {how}; see {log.name} under logs", report)
            return
        report(event)


def _work(job: Job, connection: Connection) -> None:
    """The body of a process: its messages go to the training's log, its events to the driver."""
    log = Store(job.store).log(job.training.key)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_end_with_driver, args=(connection,), daemon=True).start()
    try:
        run_job(job, connection.send)
    except Exception:
        # The failure is recorded; only its traceback belongs in the log.
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(0)


def _end_with_driver(connection: Connection) -> None:
    """A worker dies with its driver, which never sends: the pipe only ever ends."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
