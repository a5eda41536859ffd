"""The process of one training: it gets its job through a pipe, and says through it how it goes."""

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
    """Do the job that `connection` brings; what is printed goes to `output`, what happens to `connection`, as (kind,
    data) of an `Event`. Anything that `connection` brings later asks to stop; its end ends the process at once.

    The process leads a session of its own: a Ctrl-C in the terminal is its driver's, and what it forks dies with it.
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
        # Whatever a plugin raises, SystemExit too.
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        connection.send(("failed", explain(error)))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _message(event: Event) -> tuple[str, Any]:
    # Not the training: its driver knows it.
    return event.kind, event.data


def _forked(connection: Connection) -> None:
    """In a child that a plugin forks: it speaks for no training, and ends as others do."""
    connection.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _listen(connection: Connection, stop: threading.Event) -> None:
    try:
        while True:
            connection.recv()
            stop.set()
    except (EOFError, OSError):
        # Its driver is gone: nobody would know what it does.
        os.killpg(0, signal.SIGKILL)
