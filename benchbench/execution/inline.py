import time
from collections.abc import Callable

from benchbench.execution.claims import PAUSE, JobQueue
from benchbench.execution.executor import Executor
from benchbench.execution.interrupts import Interrupts
from benchbench.execution.job import Event, Job, run_job


class Inline(Executor):
    """One job after another in this process, for debugging. `jobs` is accepted but not used."""

    def __init__(self, *, jobs: int = 1):
        self.jobs = jobs

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job; one that raises an error counts as failed, and the next one runs. Signals end the run as they
        do for `Local`."""
        with Interrupts() as interrupts, JobQueue(jobs, report) as queue:
            while queue.waiting and not interrupts:
                if job := queue.next():
                    run_job(job, report, lambda: bool(interrupts))
                    queue.done(job)
                elif queue.waiting:
                    time.sleep(PAUSE)
        interrupts.check()
