"""The first signal lets what runs write its checkpoint; a second Ctrl-C ends it at once; both resume to the same."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchbench.errors import Interrupted
from benchbench.execution.interrupts import Interrupts

from .conftest import busy, lines, outcome, stable, wait_for, workers

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
steps = 100000
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


def running(matrix: Path, store: Path) -> subprocess.Popen[str]:
    """The command in a session of its own, as a terminal starts it, once both trainings take steps."""
    command = [sys.executable, "-m", "benchbench", "run", "--matrix", matrix, "--results", store, "--jobs", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    wait_for(lambda: sum("steps" in p.read_text() for p in store.glob("progress/*.json")) == 2)
    return process


@pytest.mark.parametrize(
    "name", ["SIGINT", *(pytest.param(name, marks=pytest.mark.full) for name in ("SIGTERM", "SIGHUP"))]
)
def test_a_signal_leaves_checkpoints_behind(tmp_path, name):
    matrix = tmp_path / "long.toml"
    matrix.write_text(LONG)
    process = running(matrix, tmp_path / "runs")
    # As a terminal does: to the whole group of processes.
    os.killpg(process.pid, signal.Signals[name])
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.Signals[name]
    assert "interrupted; what is finished is kept, run again to go on" in err
    assert "stopped, to be resumed" in err
    assert "Traceback" not in err
    # Far from the first regular checkpoint.
    assert len(list((tmp_path / "runs" / "checkpoints").glob("*/resume.safetensors"))) == 2
    assert lines(tmp_path / "runs") == []
    assert not list((tmp_path / "runs" / "leases").iterdir())
    assert not list((tmp_path / "runs" / "progress").iterdir())


@pytest.mark.full
def test_a_second_ctrl_c_ends_at_once_and_no_process_stays(tmp_path):
    matrix = tmp_path / "long.toml"
    matrix.write_text(LONG)
    process = running(matrix, tmp_path / "runs")
    trainings = workers(process)
    for worker in trainings:
        # It can write no checkpoint.
        worker.suspend()
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None, "it waits for them"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
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
        process.communicate(timeout=60)
    outcome(start(matrix, tmp_path / "stopped", **options))
    assert stable(tmp_path / "stopped") == stable(tmp_path / "quiet")


def test_terms_ask_and_only_a_second_ctrl_c_insists():
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
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
