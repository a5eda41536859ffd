"""A launch as a user types it, against a plain program for the same trainings as a user would type that; by the clock,
from the start of a process to its end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchbench import load_records
from tests.benchmarks import plain_launch
from tests.benchmarks.ratios import SET, keep

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
#: Long enough that starting and preparing, some seconds on both sides, do not decide.
TRAININGS, STEPS, TASKS = 4, 40, 16
MATRIX = """name = "launch"
seeds = {seeds}
floors = false

[axes]
pretext = ["labels"]
meta = ["maml"]
backbone = ["conv4"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]

[budget]
steps = {steps}

[episodes]
ways = 5
shots = 1
queries = 1
meta_batch = {tasks}

[settings.meta.maml]
inner_lr = {rate}
train_steps = 1
head_ways = 5

[settings.protocol.episodic]
episodes = 4
"""


def seconds(*arguments: object) -> float:
    """How long ``python -m ARGUMENTS`` takes where nothing is set that this process was started with."""
    environment = {k: v for k, v in os.environ.items() if k not in SET}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", *map(str, arguments)], env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def launch(folder: Path, trainings: int, steps: int, jobs: int) -> float:
    folder.mkdir()
    matrix = folder / "launch.toml"
    matrix.write_text(MATRIX.format(seeds=[*range(trainings)], steps=steps, tasks=TASKS, rate=plain_launch.RATE))
    spent = seconds("benchbench", "run", "--matrix", matrix, "--results", folder, "--jobs", jobs, "--quiet")
    assert len(list((folder / "records").glob("*.jsonl"))) == trainings
    return spent


def spent_on(folder: Path, whole: float) -> dict[str, float]:
    """The shares of the seconds of all processes, by what the records of a launch say."""
    timing = [record.timing for record in load_records(folder)]
    shares = {name: sum(t[f"{name}_seconds"] for t in timing) / whole for name in ("train", "evaluation")}
    return {**shares, "start, planning, tables and idle processes": 1 - sum(shares.values())}


def test_launch(benchmark, tmp_path):
    launch(tmp_path / "first", 1, 1, 1)  # prepares the datasets, for both
    cores = len(os.sched_getaffinity(0))
    ours = {jobs: launch(tmp_path / str(jobs), TRAININGS, STEPS, jobs) for jobs in sorted({1, cores, 2 * cores})}
    theirs = seconds("tests.benchmarks.plain_launch", TRAININGS, STEPS, TASKS)
    benchmark.pedantic(lambda: None)
    work = f"launch of {TRAININGS} MAML trainings, {STEPS} steps, 28 px, 5-way 1-shot, q1, T{TASKS}: {cores} jobs, once"
    keep(benchmark, work, {"one process, torch's own threads": theirs / ours[cores]})
    benchmark.extra_info["shares"] = spent_on(tmp_path / str(cores), cores * ours[cores])
    each = 1000 / (TRAININGS * STEPS * TASKS)
    points = [[jobs, each * spent, each * theirs] for jobs, spent in ours.items()]
    benchmark.extra_info["curve"] = {"axis": "jobs", "points": points}
