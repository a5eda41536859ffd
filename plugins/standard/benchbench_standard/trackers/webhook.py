"""Messages to an address, where ``BENCHBENCH_WEBHOOK`` is one: JSON by POST for each training that starts, finishes or
fails. One that cannot be delivered is logged as any hook's error, and the run goes on."""

import json
import os
from typing import Any
from urllib.request import Request, urlopen

from benchbench import BenchbenchError, hookimpl

#: Seconds that an address may take to answer.
TIMEOUT = 5.0


def _post(event: str, training: dict[str, Any], **more: Any) -> None:
    if not (url := os.environ.get("BENCHBENCH_WEBHOOK")):
        return
    if not url.startswith(("http://", "https://")):
        raise BenchbenchError(f"BENCHBENCH_WEBHOOK={url}: expected an address that begins with http:// or https://")
    body = json.dumps({"event": event, "training": training, **more}).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=TIMEOUT):
        pass


@hookimpl
def training_started(training: dict[str, Any]) -> None:
    """``{"event": "started", "training": {"key", "label", "matrix", "seed"}}``."""
    _post("started", training)


@hookimpl
def training_finished(training: dict[str, Any], seconds: float) -> None:
    """As above, with ``seconds``."""
    _post("finished", training, seconds=seconds)


@hookimpl
def training_failed(training: dict[str, Any], reason: str) -> None:
    """As above, with ``reason``."""
    _post("failed", training, reason=reason)
