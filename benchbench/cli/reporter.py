"""What a person sees while a matrix runs: progress bars on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from benchbench.execution.job import Event

#: Seconds between two plain lines of one training.
PAUSE = 15.0


class Reporter:
    """Receives a run's events; a context manager that owns the display."""

    def __init__(self, trainings: int, *, quiet: bool = False):
        self.console = Console(stderr=True)
        self.quiet, self.trainings, self.done = quiet, trainings, 0
        self.live = self.console.is_terminal and not quiet
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=self.console,
        )
        self.tasks: dict[str, TaskID] = {}
        self.spoken: dict[str, float] = {}

    def __enter__(self) -> "Reporter":
        if self.live:
            self.bars.start()
            self.total = self.bars.add_task("trainings", total=self.trainings, detail="")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.bars.stop()

    def __call__(self, event: "Event") -> None:
        """Show one event."""
        key, label = event.training.key, event.training.label
        if event.kind == "started":
            if self.live:
                self.tasks[key] = self.bars.add_task(label, total=None, detail="")
        elif event.kind == "progress":
            self._progress(key, label, event.data)
        elif event.kind in ("finished", "failed", "stopped", "elsewhere"):
            self._end(event)

    def _end(self, event: "Event") -> None:
        counts = event.kind != "stopped"
        self.done += counts
        if self.live:
            if task := self.tasks.pop(event.training.key, None):
                self.bars.remove_task(task)
            self.bars.advance(self.total, counts)
        what = {
            "finished": lambda: f"{event.data:.0f} s",
            "failed": lambda: f"FAILED: {event.data}",
            "stopped": lambda: "stopped, to be resumed",
            "elsewhere": lambda: "done by another run",
        }[event.kind]()
        self._say(f"[{self.done}/{self.trainings}] {event.training.label}: {what}")

    def _progress(self, key: str, label: str, data: dict[str, object]) -> None:
        if "scoring" in data:
            detail = f"scoring {data['scoring']}"
        else:
            shown = [f"{k} {float(str(data[k])):.3g}" for k in ("loss", "accuracy") if k in data]
            detail = ", ".join([*shown, f"{float(str(data['seconds_left'])):.0f} s left"])
        if self.live:
            step, steps = data.get("step"), data.get("steps")
            self.bars.update(self.tasks[key], completed=step, total=steps, detail=detail)  # type: ignore[arg-type]
        elif "step" in data and time.monotonic() - self.spoken.get(key, -PAUSE) >= PAUSE:
            self.spoken[key] = time.monotonic()
            self._say(f"{label}: step {data['step']}/{data['steps']}, {detail}")

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)
