"""What is running now, for other terminals: one small file per training, removed when it ends."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbench.errors import StorageError
from benchbench.store.files import Store, atomic_write

if TYPE_CHECKING:
    from benchbench.execution.job import Event

#: Seconds between two writes of one file.
PAUSE = 1.0
#: Seconds without a write after which a file is taken to belong to a run that was killed.
STALE = 60.0


class ProgressFiles:
    """Receives a run's events and maintains ``progress/`` in its store; what cannot be written is skipped."""

    def __init__(self, store: Store):
        self.store = store
        self.written: dict[str, float] = {}

    def __call__(self, event: "Event") -> None:
        """Note one event."""
        key, now = event.training.key, time.monotonic()
        path = self.store.progress(key)
        with suppress(OSError, StorageError):
            if event.kind in ("finished", "failed", "stopped"):
                path.unlink(missing_ok=True)
            elif event.kind in ("started", "progress") and now - self.written.get(key, -PAUSE) >= PAUSE:
                self.written[key] = now
                about = {"label": event.training.label, **(event.data or {})}
                atomic_write(path, json.dumps(about).encode(), durable=False)

    def clear(self) -> None:
        """Remove what is left of a run that ends early."""
        for key in self.written:
            with suppress(OSError):
                self.store.progress(key).unlink(missing_ok=True)


def progress_files(results: Path) -> Iterator[dict[str, Any]]:
    """What each running training reports; files that are stale, gone or half written are skipped."""
    for path in sorted((results / "progress").glob("*.json")):
        try:
            about = json.loads(path.read_text("utf-8"))
            fresh = time.time() - path.stat().st_mtime < STALE
        except (OSError, ValueError):
            continue
        if fresh and isinstance(about, dict):
            yield {"key": path.stem, **about}
