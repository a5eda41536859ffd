"""The first signal lets what runs write its checkpoint; a second Ctrl-C ends it at once; both resume to the same."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchbench.errors import Interrupted
from benchbench.execution.interrupts import Interrupts
from benchbench.training.checkpoints import read_state

from .conftest import COMMAND, Driver, busy, lines, outcome, stable, wait_for, workers

LONG = """
name = "long"
floors = false
[axes]
pretext = ["rotation"]
meta = ["nearest-centroid", "protonet"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]
[budget]
steps = 20000
[episodes]
meta_batch = 2
queries = 2
[training]
batch_size = 8
[settings.backbone.mlp]
width = 8
[settings.protocol.episodic]
episodes = 5
"""


@pytest.fixture
def running(request, launch, tmp_path: Path) -> Driver:
    """The command in a session of its own, as a terminal starts it, once both trainings take steps. Its parameter says
    whether its server of processes is started afresh."""
    matrix, store = tmp_path / "long.toml", tmp_path / "runs"
    matrix.write_text(LONG)
    fresh = getattr(request, "param", False)
    driver = launch(COMMAND, "run", "--matrix", matrix, "--results", store, "--jobs", "2", fresh=fresh)
    wait_for(lambda: sum("steps" in p.read_text() for p in store.glob("progress/*.json")) == 2)
    return driver


@pytest.mark.parametrize(
    ("running", "name"), [(True, "SIGINT"), (False, "SIGTERM"), (False, "SIGHUP")], indirect=["running"]
)
def test_a_signal_leaves_checkpoints_behind(running, tmp_path, name):
    # As a terminal does: to the whole group of processes.
    os.killpg(running.pid, signal.Signals[name])
    _, err = running.wait(60)
    assert running.returncode == 128 + signal.Signals[name]
    assert "interrupted; what is finished is kept, run again to go on" in err
    assert "stopped, to be resumed" in err
    assert "Traceback" not in err
    steps = [read_state(p)["step"] for p in (tmp_path / "runs" / "checkpoints").glob("*/resume.safetensors")]
    assert len(steps) == 2
    assert any(step % 1000 for step in steps), "not the regular ones"
    assert lines(tmp_path / "runs") == []
    assert not list((tmp_path / "runs" / "leases").iterdir())
    assert not list((tmp_path / "runs" / "progress").iterdir())


def test_a_second_ctrl_c_ends_at_once_and_no_process_stays(running):
    trainings = workers(running)
    for worker in trainings:
        # It can write no checkpoint.
        worker.suspend()
    running.send_signal(signal.SIGINT)
    time.sleep(1)
    assert running.returncode is None, "it waits for them"
    running.send_signal(signal.SIGINT)
    running.wait(30)
    assert running.returncode == 130
    assert not [w for w in trainings if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.full
def test_what_was_stopped_resumes_to_the_same_records(matrix, start, tmp_path):
    options = {"jobs": 2, "seeds": [0, 1]}
    outcome(start(matrix, tmp_path / "quiet", **options))
    for _ in range(2):
        process = start(matrix, tmp_path / "stopped", **options)
        wait_for(partial(busy, process))
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    outcome(start(matrix, tmp_path / "stopped", **options))
    assert stable(tmp_path / "stopped") == stable(tmp_path / "quiet")


def test_terms_ask_and_only_a_second_ctrl_c_insists():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        assert not interrupts
        interrupts.check()
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.signum == signal.SIGTERM
        with pytest.raises(Interrupted):
            interrupts.check()
        with pytest.raises(Interrupted) as error:
            signal.raise_signal(signal.SIGINT)
        assert error.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
