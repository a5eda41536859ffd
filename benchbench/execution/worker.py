"""The process of one training: it receives its job through a pipe and reports back through the same pipe."""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from benchbench.errors import Stopped, StorageError
from benchbench.execution.job import Event, Job, attempt, explain


def work(connection: Connection, output: Connection, gpu: str | None) -> None:
    """Do the job that arrives on `connection`. Printed output goes to `output`; events go to `connection`, as the
    (kind, data) of an `Event`. Any later message on `connection` is a request to stop; if it closes, the process ends
    at once.

    The process leads a session of its own, so a Ctrl-C in the terminal reaches only its driver, and what it forks dies
    with it.
    """
    os.setsid()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    faulthandler.enable()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    os.register_at_fork(after_in_child=lambda: _forked(connection))
    try:
        job: Job = connection.recv()
        threading.Thread(target=_listen, args=(connection, stop), daemon=True).start()
        attempt(job, lambda event: connection.send(_message(event)), stop.is_set)
    except Stopped:
        connection.send(("stopped", None))
    except StorageError as error:
        connection.send(("unwritable", str(error)))
    except BaseException as error:
        # Whatever a plugin raises, including SystemExit.
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        connection.send(("failed", explain(error)))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _message(event: Event) -> tuple[str, Any]:
    # Without the training, which the driver knows.
    return event.kind, event.data


def _forked(connection: Connection) -> None:
    """In a child that a plugin forks: it must not report for the training, and SIGTERM ends it as usual."""
    connection.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _listen(connection: Connection, stop: threading.Event) -> None:
    try:
        while True:
            connection.recv()
            stop.set()
    except (EOFError, OSError):
        # The driver is gone, so no one would learn what this process does.
        os.killpg(0, signal.SIGKILL)
