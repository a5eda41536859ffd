"""The whole quick matrix as a user types it, against the same trainings and evaluations without a harness; by the
clock, from the start of a process to its end, two trainings at a time. It counts only if both learn as much."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchbench import load_records
from tests.benchmarks.ratios import SET, keep

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
JOBS = 2
#: Points between the two, of the mean over all scores: seeds draw other weights and episodes.
ALIKE = 1.5


def timed(*arguments: object) -> tuple[float, str]:
    """How long ``python -m ARGUMENTS`` takes where nothing is set that this process was started with, and its words."""
    environment = {k: v for k, v in os.environ.items() if k not in SET}
    command, started = [sys.executable, "-m", *map(str, arguments)], time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def test_the_quick_matrix(benchmark, tmp_path: Path) -> None:
    ours, _ = timed("benchbench", "run", "--matrix", "quick", "--results", tmp_path, "--jobs", JOBS, "--quiet")
    theirs, printed = timed("tests.benchmarks.plain_matrix", JOBS)
    benchmark.pedantic(lambda: None)
    records = [r for r in load_records(tmp_path) if not r.flags.floor]
    mine = {(r.method.label, r.target): 100 * r.summary["accuracy"].mean for r in records}
    plain = {(label, target): score for label, of in json.loads(printed).items() for target, score in of.items()}
    assert mine.keys() == plain.keys()
    means = [sum(scores.values()) / len(scores) for scores in (mine, plain)]
    assert abs(means[0] - means[1]) < ALIKE, (mine, plain)
    work = (
        f"the quick matrix, 16 trainings and 32 scores, {JOBS} at a time: mean accuracy {means[0]:.1f} and "
        f"{means[1]:.1f} %"
    )
    keep(benchmark, work, {"plain programs": theirs / ours}, milliseconds=1000 * ours)
    timing = {r.training_key: r.timing for r in records}.values()
    trained = sum(t["train_seconds"] for t in timing) / (JOBS * ours)
    evaluated = sum(r.timing["evaluation_seconds"] for r in records) / (JOBS * ours)
    rest = 1 - trained - evaluated
    benchmark.extra_info["shares"] = {
        "train": trained,
        "evaluation": evaluated,
        "start, planning, tables and idle processes": rest,
    }
