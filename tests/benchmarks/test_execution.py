"""What the harness costs and what a second process gains, printed; no limit is asserted on seconds. Run with
``-m full -s`` on a quiet machine; the bounds are 1.7 times the throughput with two jobs on two cores, 0.3 s of overhead
for a warm tiny training, 3% of a training of a minute, and 2 s for `benchbench status` on 100,000 cells."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchbench.execution import process
from benchbench.execution.job import Event, Job
from benchbench.execution.local import Local
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan
from benchbench.store.briefs import remember
from benchbench.store.files import Store
from tests.benchmarks import accounting

pytestmark = pytest.mark.full


def seconds(matrix: str, folder: Path, jobs: int, overrides: dict) -> tuple[float, dict[str, float]]:
    """(seconds of a run whose server of processes is warm, seconds between start and end of each training)."""
    todo = plan(load_matrix(matrix, overrides))
    work = [Job(t, t.cells, folder) for t in todo.trainings]
    inside: dict[str, float] = {}

    def hear(event: Event) -> None:
        assert event.kind != "failed", event.data
        if event.kind == "finished":
            inside[event.training.key] = event.data

    Local(jobs=1).run(work[:1], hear)
    started = time.perf_counter()
    Local(jobs=jobs).run(work[1:], hear)
    spent = time.perf_counter() - started
    del inside[work[0].training.key]
    return spent, inside


@pytest.mark.timeout(3600)
def test_two_jobs_against_one(tmp_path, capsys):
    overrides = {"seeds": [0]}
    one, _ = seconds("quick", tmp_path / "1", 1, overrides)
    two, _ = seconds("quick", tmp_path / "2", 2, overrides)
    with capsys.disabled():
        print(f"\nquick matrix: {one:.1f} s with one job, {two:.1f} s with two: {one / two:.2f} times the throughput")


def test_overhead_of_a_warm_tiny_training(tmp_path, capsys):
    overrides = {"seeds": list(range(10)), "budget": {"steps": 5}, "axes.pretext": ["rotation"]}
    overrides |= {"axes.meta": ["nearest-centroid"], "axes.backbone": ["mlp"], "floors": False}
    spent, inside = seconds("ci", tmp_path, 1, overrides)
    with capsys.disabled():
        print(f"\n{(spent - sum(inside.values())) / len(inside):.3f} s a training besides what its process does")


def cpu_seconds() -> float:
    """What this process and its server of processes have used."""
    servers = [child.cpu_times() for child in psutil.Process().children()]
    return time.process_time() + sum(t.user + t.system for t in servers)


@pytest.mark.timeout(1800)
def test_overhead_of_a_training_of_a_minute(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(process, "work", accounting.work)
    overrides = {"axes.pretext": ["rotation"], "axes.meta": ["protonet"], "include": [], "floors": False}

    def account(steps: int) -> tuple[dict[str, list[float]], float, float, float]:
        """(what the training's process says, seconds until it began, seconds and CPU seconds of the run)."""
        (training,) = plan(load_matrix("ci", {**overrides, "seeds": [steps], "budget": {"steps": steps}})).trainings
        begun: list[float] = []

        def hear(event: Event) -> None:
            assert event.kind != "failed", event.data
            if event.kind == "started":
                begun.append(time.perf_counter())

        started, used = time.perf_counter(), cpu_seconds()
        Local(jobs=1).run([Job(training, training.cells, tmp_path)], hear)
        spent = time.perf_counter() - started, cpu_seconds() - used
        said = Store(tmp_path).log(training.key).read_text().splitlines()[-1]
        return json.loads(said), begun[0] - started, *spent

    trial, *_ = account(50)
    said, start, wall, cpu = account(round(50 * 60 / trial["inside"][1]))
    ours = cpu + said["whole"][1] - said["inside"][1]
    with capsys.disabled():
        print(
            f"\nof CPU time {said['inside'][1]:.1f} s of training and evaluation, {ours:.2f} s of all else: "
            f"{100 * ours / said['inside'][1]:.2f}%, {cpu:.2f} s of it the driver's and its server's"
            f"\nby the wall {said['inside'][0]:.1f} s, {wall - said['inside'][0]:.2f} s: "
            f"{100 * (wall - said['inside'][0]) / said['inside'][0]:.2f}%, {start:.2f} s of it until its process began"
        )


def test_status_of_a_hundred_thousand_cells(large, capsys):
    took = []
    for number in range(5):
        if number == 1:
            shutil.rmtree(large / "index")
            for path in (large / "records").iterdir():
                remember(large, path)
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchbench", "status", large]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        took.append(time.perf_counter() - started)
        assert done.stdout.splitlines()[-1].split() == ["scale", "33334", "100002", "100002", "0", "0", "0"]
    with capsys.disabled():
        print(
            f"\nstatus of 100,002 cells: {took[0]:.2f} s where no run noted them, {took[1]:.2f} s after one that did, "
            f"then {min(took[2:]):.2f} s at best of {', '.join(f'{s:.2f}' for s in took[2:])}"
        )
