"""Runs of tiny matrices, and what is left of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PLUGIN = Path(__file__).parent / "plugin"

#: 25 trainings, for each seed two pipelines that share their first stage.
MATRIX = """
name = "tiny"
floors = false
seeds = [0, 1, 2, 3, 4]
[axes]
pretext = ["labels", "rotation"]
meta = ["nearest-centroid"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits", "symbols"]
protocol = ["5way-1shot"]
[budget]
steps = 40
[episodes]
meta_batch = 2
queries = 2
[training]
batch_size = 8
[settings.backbone.mlp]
width = 8
depth = 1
[settings.protocol.episodic]
episodes = 5
[[include]]
pretext = "rotation"
meta = ["protonet", "meta-sgd"]
regime = "pipeline"
[[include]]
pretext = "labels"
meta = "protonet"
"""

DRIVER = """
import json, sys, benchbench
done = benchbench.run(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
print(json.dumps({"trained": done.trained, "reused": done.reused, "failed": done.failed}))
"""


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A matrix of 25 tiny trainings and 50 cells."""
    path = tmp_path / "tiny.toml"
    path.write_text(MATRIX)
    return path


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `benchbench.run` as a process with the plugins that misbehave: (matrix, store, **options)."""
    started: list[subprocess.Popen[str]] = []

    def launch(matrix: Path, store: Path, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(matrix), str(store), json.dumps(options)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PLUGIN)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.wait()


def outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process that `start` started has done."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def lines(store: Path) -> list[dict[str, Any]]:
    """Every line of every record file; each must be whole, and none may have the key of another."""
    text = [line for path in sorted((store / "records").glob("*.jsonl")) for line in path.read_text().splitlines()]
    found = [json.loads(line) for line in text]
    assert len({r["key"] for r in found}) == len(found)
    return found


def stable(store: Path) -> dict[str, dict[str, Any]]:
    """Records by key, without what is volatile."""
    return {r["key"]: {k: v for k, v in r.items() if k not in ("timing", "environment")} for r in lines(store)}


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """What `condition` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def workers(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a driver's trainings: children of its fork server."""
    try:
        return [w for server in psutil.Process(driver.pid).children() for w in server.children()]
    except psutil.Error:
        return []


def busy(driver: subprocess.Popen[str]) -> bool:
    """Whether a driver has begun to train, or has ended."""
    return bool(workers(driver)) or driver.poll() is not None
