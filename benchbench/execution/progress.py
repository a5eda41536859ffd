"""What runs now, for other terminals: one small file a training, gone when it ends."""

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from benchbench.errors import StorageError
from benchbench.store import Store, atomic_write

if TYPE_CHECKING:
    from benchbench.execution.job import Event

#: Seconds between two writings of one file.
PAUSE = 1.0


class ProgressFiles:
    """Receives a run's events and keeps ``progress/`` of its store; what cannot be written is left out."""

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
        """Remove what stands of a run that ends early."""
        for key in self.written:
            with suppress(OSError):
                self.store.progress(key).unlink(missing_ok=True)
