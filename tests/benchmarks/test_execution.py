"""What the harness costs and what a second process gains, printed; no limit is asserted on seconds. Run with
``-m full -s`` on a quiet machine; the bounds are 1.7 times the throughput with two jobs on two cores, 0.3 s of overhead
for a warm tiny training, and 2 s for `benchbench status` on 100,000 cells."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchbench.execution.job import Event, Job
from benchbench.execution.local import Local
from benchbench.matrix import load_matrix
from benchbench.plan import plan

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


def test_status_of_a_hundred_thousand_cells(large, capsys):
    took = []
    for _ in range(4):
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchbench", "status", large]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        took.append(time.perf_counter() - started)
        assert done.stdout.splitlines()[-1].split() == ["scale", "33334", "100002", "100002", "0", "0", "0"]
    with capsys.disabled():
        print(
            f"\nstatus of 100,002 cells: {took[0]:.2f} s where it leaves an index of the records, then "
            f"{min(took[1:]):.2f} s at best of {', '.join(f'{s:.2f}' for s in took[1:])}"
        )
