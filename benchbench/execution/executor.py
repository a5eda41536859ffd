"""The contract of executors."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from benchbench.components.component import Component


class Executor(Component, ABC):
    """Runs jobs, each one training and its evaluations; see `benchbench.execution`."""

    kind = "executor"

    @abstractmethod
    def run(self, jobs: list[Any], report: Callable[[Any], None]) -> None:
        """Run every job; `report` receives the events in this process as they come."""
