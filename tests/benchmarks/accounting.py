"""The process of a training that says, as the last line of its log, what of its time went into training and
evaluation: steps, optimiser, validation and what protocols do. The rest is the harness."""

import functools
import json
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchbench.execution import worker
from benchbench.execution.job import Event, Job
from benchbench.training.stage import StageRun, Stop
from benchbench_standard.protocols.episodic import Episodic

#: Seconds of the wall and of this process.
CLOCKS = (time.perf_counter, time.process_time)


class Account:
    """Adds up the seconds of what it wraps, by each of `CLOCKS`."""

    def __init__(self) -> None:
        self.seconds = [0.0, 0.0]

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose time counts. What it calls must not be wrapped too."""

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            before = [clock() for clock in CLOCKS]
            try:
                return function(*args, **kwargs)
            finally:
                for i, clock in enumerate(CLOCKS):
                    self.seconds[i] += clock() - before[i]

        return counted


def work(connection: Connection, output: Connection, gpu: str | None) -> None:
    """`benchbench.execution.worker.work`."""
    begun, account = time.perf_counter(), Account()
    StageRun._fitting_step = account.wrap(StageRun._fitting_step)
    StageRun._validate = account.wrap(StageRun._validate)
    Episodic.evaluate = account.wrap(Episodic.evaluate)
    make = StageRun._optimiser

    def optimiser(run: StageRun) -> torch.optim.Optimizer:
        made = make(run)
        made.step = account.wrap(made.step)
        return made

    StageRun._optimiser = optimiser
    attempt = worker.attempt

    def accounted(job: Job, report: Callable[[Event], None], stop: Stop) -> None:
        attempt(job, report, stop)
        whole = [time.perf_counter() - begun, time.process_time()]
        print(json.dumps({"inside": account.seconds, "whole": whole}), flush=True)

    worker.attempt = accounted
    worker.work(connection, output, gpu)
