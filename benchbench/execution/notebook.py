"""A run's progress in a notebook: one line and a bar that change in place. Needs no widgets, and IPython only there."""

import sys
import time
from html import escape
from typing import Any

from benchbench.execution.job import Event

#: Seconds between two changes of what is shown, and trainings named at once.
PAUSE, MOST = 0.5, 4


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook, not at a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


class NotebookProgress:
    """Receives a run's events and shows them in the cell that runs."""

    def __init__(self, trainings: int):
        self.trainings, self.done, self.failed = trainings, 0, 0
        self.running: dict[str, str] = {}
        self.handle: Any = None
        self.shown = -PAUSE

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        key, label = event.training.key, event.training.label
        if event.kind == "started":
            self.running[key] = label
        elif event.kind == "progress":
            self.running[key] = f"{label}: {_detail(event.data)}"
        elif event.kind in ("finished", "failed", "stopped", "elsewhere"):
            self.running.pop(key, None)
            self.done += event.kind != "stopped"
            self.failed += event.kind == "failed"
        now = time.monotonic()
        if event.kind != "progress" or now - self.shown >= PAUSE:
            self.shown = now
            self._show()

    def _repr_html_(self) -> str:
        lines = [escape(text) for text in list(self.running.values())[:MOST]]
        if more := len(self.running) - len(lines):
            lines.append(f"and {more} more")
        failed = f", {self.failed} failed" if self.failed else ""
        bar = f'<progress value="{self.done}" max="{max(self.trainings, 1)}"></progress>'
        return "<br>".join([f"{bar} {self.done} of {self.trainings} trainings{failed}", *lines])

    def __repr__(self) -> str:
        return f"{self.done} of {self.trainings} trainings"

    def _show(self) -> None:
        if self.handle is None:
            from IPython.display import display  # type: ignore[import-not-found]

            self.handle = display(self, display_id=True)
        else:
            self.handle.update(self)


def _detail(data: dict[str, Any]) -> str:
    if "scoring" in data:
        return f"scoring {data['scoring']}"
    left = f", {float(data['seconds_left']):.0f} s left" if "seconds_left" in data else ""
    return f"step {data.get('step', '?')} of {data.get('steps', '?')}{left}"
