"""Messages as a server on this machine receives them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchbench.execution.hooks import Hooks

TRAINING = {"key": "ab" * 32, "label": "a × b", "matrix": "tiny", "seed": 0}


@pytest.fixture
def server():
    """(address, messages received so far); a message about seed 500 gets an error for an answer."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.headers["Content-Type"] == "application/json"
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if received[-1]["training"]["seed"] == 500 else 204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    held = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=held.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{held.server_port}/hook", received
    held.shutdown()
    held.server_close()
    thread.join()


def tell(hooks: Hooks, training: dict) -> None:
    hooks.call("training_started", training=training)
    hooks.call("training_finished", training=training, seconds=1.5)
    hooks.call("training_failed", training=training, reason="non-finite loss")


def test_each_event_is_one_message(server, monkeypatch, caplog):
    address, received = server
    monkeypatch.setenv("BENCHBENCH_WEBHOOK", address)
    tell(Hooks.installed(), TRAINING)
    assert received == [
        {"event": "started", "training": TRAINING},
        {"event": "finished", "training": TRAINING, "seconds": 1.5},
        {"event": "failed", "training": TRAINING, "reason": "non-finite loss"},
    ]
    assert not caplog.records


def test_what_cannot_be_delivered_is_logged(server, monkeypatch, caplog):
    monkeypatch.setenv("BENCHBENCH_WEBHOOK", server[0])
    tell(Hooks.installed(), {**TRAINING, "seed": 500})
    assert len(caplog.records) == 3
    assert "hook training_started of plugin webhook failed: HTTPError: HTTP Error 500" in caplog.text
    caplog.clear()
    monkeypatch.setenv("BENCHBENCH_WEBHOOK", "file:///etc/hostname")
    tell(Hooks.installed(), TRAINING)
    assert "expected an address that begins with http:// or https://" in caplog.text


def test_unasked_it_sends_nothing(server, monkeypatch, caplog):
    monkeypatch.delenv("BENCHBENCH_WEBHOOK", raising=False)
    tell(Hooks.installed(), TRAINING)
    assert server[1] == []
    assert not caplog.records
