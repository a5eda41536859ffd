from collections.abc import Callable
from contextlib import suppress

from benchbench.components import Executor
from benchbench.execution.job import Event, Job, run_job


class Inline(Executor):
    """One job after another in this process: for debugging."""

    def __init__(self, *, jobs: int = 1):
        self.jobs = jobs

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job; an unexpected error is a failed job, and the next one runs."""
        for job in jobs:
            with suppress(Exception):
                run_job(job, report)
