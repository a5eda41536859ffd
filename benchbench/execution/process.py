"""A training's process as its driver sees it: its messages, log, limits and end."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from types import ModuleType
from typing import Any

import psutil

from benchbench.execution.job import TAIL, Job
from benchbench.execution.logs import BoundedLog
from benchbench.execution.worker import work
from benchbench.store.files import Store

GIB = 2**30
#: Seconds between checks of a process's memory, and of its children if there is no limit.
MEMORY_PAUSE, CHILDREN_PAUSE = 0.5, 5.0
#: Messages after which no other follows.
ENDINGS = ("finished", "failed", "stopped", "unwritable")


class Running:
    """One job and the process that does it. `timeout` is in seconds; `memory` is the GiB that the process and its
    children may have resident, with shared pages counted for each of them.

    Raises whatever pickling the job raises, and then runs nothing.
    """

    def __init__(
        self, context: ForkServerContext, job: Job, gpu: str | None, timeout: float | None, memory: float | None
    ):
        self.job, self.gpu, self.timeout, self.memory = job, gpu, timeout, memory
        self.log = BoundedLog(Store(job.store).log(job.training.key))
        self.started = self.watched = time.monotonic()
        self.ending: tuple[str, Any] | None = None
        self.killed = ""
        self.children: set[psutil.Process] = set()
        self.connection, theirs = context.Pipe()
        self.output, printed = context.Pipe(duplex=False)
        self.process = context.Process(target=work, args=(theirs, printed, gpu))
        with _no_program():
            self.process.start()
        theirs.close()
        printed.close()
        os.set_blocking(self.output.fileno(), False)
        try:
            with suppress(ConnectionError):
                self.connection.send(job)
        except BaseException:
            self.kill()
            self.close()
            raise

    @property
    def handles(self) -> list[Connection | int]:
        """The handles that become ready when there is something to `receive` or the process has ended."""
        return [h for h in (self.connection, self.output, self.process.sentinel) if isinstance(h, int) or not h.closed]

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def receive(self) -> list[tuple[str, Any]]:
        """The waiting messages, except for its ending; what it printed goes to its log."""
        if not self.output.closed:
            self._print()
        messages = []
        try:
            while not self.connection.closed and self.connection.poll():
                message = self.connection.recv()
                if message[0] in ENDINGS:
                    self.ending = message
                else:
                    messages.append(message)
        except (EOFError, OSError):
            self.connection.close()
        return messages

    def _print(self) -> None:
        with suppress(BlockingIOError):
            while data := os.read(self.output.fileno(), 2**16):
                self.log.write(data)
            self.output.close()

    def ask_to_stop(self) -> None:
        """Ask it to write its checkpoint and end."""
        with suppress(OSError):
            self.connection.send("stop")

    def watch(self) -> None:
        """Kill it if it is over a limit."""
        if self.timeout is not None and self.seconds > self.timeout:
            self.kill(f"it took longer than the timeout of {self.timeout:g} s")
        if time.monotonic() - self.watched >= (CHILDREN_PAUSE if self.memory is None else MEMORY_PAUSE):
            self.watched = time.monotonic()
            family = self._family()
            if self.memory is not None and (held := sum(map(_resident, family))) > self.memory * GIB:
                self.kill(f"it held {held / GIB:.2f} GiB, more than the limit of {self.memory:g} GiB of memory")

    def _family(self) -> list[psutil.Process]:
        """The process and its children, whatever session they are in."""
        with suppress(psutil.Error):
            itself = psutil.Process(self.process.pid)
            children = itself.children(recursive=True)
            self.children.update(children)
            return [itself, *children]
        return []

    def kill(self, why: str = "") -> None:
        """Kill it and its children at once; `why` becomes the reason for its failure."""
        self.killed = self.killed or why
        self._family()
        self.process.kill()
        self._kill_children()

    def _kill_children(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        for child in self.children:
            # psutil refuses if another process has its number by now.
            with suppress(psutil.Error):
                child.kill()

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self.process.exitcode is not None

    def close(self) -> list[tuple[str, Any]]:
        """Wait for it to end and clean up; returns its last messages."""
        self.process.join()
        self._kill_children()
        messages = self.receive()
        self.connection.close()
        self.output.close()
        return messages

    def failure(self) -> tuple[str, dict[str, str]]:
        """(reason, evidence) for a process that ended without a result."""
        # After its stacks, faulthandler lists every extension module in one long line.
        printed = [line for line in self.log.tail().split("\n") if not line.startswith("Extension modules: ")]
        evidence = {"log": f"logs/{self.log.path.name}", "output": "\n".join(printed)[-TAIL:]}
        if self.killed:
            return self.killed, evidence
        if self.ending and self.ending[0] == "failed":
            reason, trace = self.ending[1]
            return reason, evidence | ({"traceback": trace} if trace else {})
        code = self.process.exitcode or 0
        if code >= 0:
            return f"its process ended before its training, with exit code {code}", evidence
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = ", as the kernel does where memory is short" if -code == signal.SIGKILL else ""
        return f"its process was killed by {name}{hint}", evidence


@contextmanager
def _no_program() -> Iterator[None]:
    """Hides the running program from a process that starts: it would import the program, or even run a script without a
    guard again, and needs nothing from it."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.memory_info().rss
    return 0
