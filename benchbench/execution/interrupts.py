"""Signals as requests: the first lets what runs come to a clean end, a second Ctrl-C ends it at once."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from benchbench.errors import Interrupted

#: SIGTERM is how schedulers and services end a process, SIGHUP how a closed terminal does.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupts:
    """A context manager that notes the first of `SIGNALS` in `signum`; a SIGINT after it raises Interrupted at once.

    Python delivers signals to the main thread alone: in another one it notes nothing.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self.before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for signum, handler in self.before.items():
            signal.signal(signum, handler)

    def __bool__(self) -> bool:
        """Whether a signal came."""
        return self.signum is not None

    def check(self) -> None:
        """Raise Interrupted where a signal came."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None and signum == signal.SIGINT:
            raise Interrupted(self.signum)
        self.signum = self.signum or signum
