"""Runs of tiny matrices, and what is left of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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

RUN = """
import json, sys, benchbench
done = benchbench.run(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
print(json.dumps({"trained": done.trained, "reused": done.reused, "failed": done.failed}))
"""

COMMAND = """
import sys
from benchbench.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A matrix of 25 tiny trainings and 50 cells."""
    path = tmp_path / "tiny.toml"
    path.write_text(MATRIX)
    return path


class Driver:
    """A process of `drivers.py`, in a session of its own; what `subprocess.Popen` offers of it."""

    def __init__(self, pid: int, folder: Path):
        self.pid, self.folder = pid, folder

    @property
    def returncode(self) -> int | None:
        """As Popen's: None as long as it runs."""
        ended = self.folder / "ended"
        return int(ended.read_text()) if ended.exists() else None

    def send_signal(self, signum: int) -> None:
        """Signal it where it runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 300) -> tuple[str, str]:
        """What it printed, once it has ended."""
        wait_for(lambda: self.returncode is not None, timeout)
        return (self.folder / "out").read_text(), (self.folder / "err").read_text()


def environment() -> dict[str, str]:
    """That of this process, with the plugins that misbehave."""
    path = os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The process that drivers are forked from."""
    matrix = tmp_path_factory.mktemp("template") / "tiny.toml"
    matrix.write_text(MATRIX)
    command = [sys.executable, Path(__file__).with_name("drivers.py"), matrix]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment(), **pipes) as process:  # type: ignore[call-overload]
        yield process


@pytest.fixture
def launch(
    template: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Driver]]:
    """Run code in a process: (code, *arguments); with `fresh`, see `drivers.py`."""
    started: list[Driver] = []

    def begin(code: str, *arguments: object, fresh: bool = False) -> Driver:
        folder = tmp_path_factory.mktemp("driver")
        request = {"code": code, "arguments": [str(a) for a in arguments], "environment": environment()}
        assert template.stdin
        assert template.stdout
        print(json.dumps({**request, "folder": str(folder), "fresh": fresh}), file=template.stdin, flush=True)
        started.append(Driver(int(template.stdout.readline()), folder))
        return started[-1]

    yield begin
    for driver in started:
        driver.kill()
        driver.wait()


@pytest.fixture
def start(launch: Callable[..., Driver]) -> Callable[..., Driver]:
    """Start `benchbench.run` as a process: (matrix, store, **options)."""
    return lambda matrix, store, **options: launch(RUN, matrix, store, json.dumps(options))


def outcome(driver: Driver) -> dict[str, Any]:
    """What a process that `start` started has done."""
    out, err = driver.wait()
    assert driver.returncode == 0, err
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


def workers(driver: Driver) -> list[psutil.Process]:
    """The processes of a driver's trainings: children of its fork server."""
    try:
        return [w for server in psutil.Process(driver.pid).children() for w in server.children()]
    except psutil.Error:
        return []


def busy(driver: Driver) -> bool:
    """Whether a driver has begun to train, or has ended."""
    return bool(workers(driver)) or driver.returncode is not None
