"""``kill -9`` at random moments: nothing is lost, nothing is double, and the leaderboard is that of a quiet run."""

import random
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import benchbench
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.render import csv
from benchbench.records import parse_record

from .conftest import Driver, busy, lines, outcome, stable, wait_for, workers


def leaderboard(store: Path) -> str:
    """As CSV, with all that took time at nought."""
    paths = sorted((store / "records").glob("*.jsonl"))
    records = [parse_record(line) for path in paths for line in path.read_text().splitlines()]
    return csv(aggregate([r.model_copy(update={"timing": dict.fromkeys(r.timing, 0.0)}) for r in records]))


def scored(store: Path) -> set[str]:
    """The keys of the cells that have scores."""
    return {r["key"] for r in lines(store) if r["status"] == "ok"}


@pytest.mark.parametrize(
    ("kills", "first", "seeds"),
    [(2, [0], [0, 1]), pytest.param(20, None, None, marks=[pytest.mark.full, pytest.mark.timeout(1800)])],
)
def test_killed_drivers_and_workers_cost_no_record_and_make_none_twice(matrix, start, tmp_path, kills, first, seeds):
    start = partial(start, matrix, jobs=2)
    quiet, store, rng = tmp_path / "quiet", tmp_path / "killed", random.Random(kills)
    trainings = benchbench.run(matrix, quiet, seeds=seeds, executor="inline").trained
    assert trainings == 5 * len(seeds or range(5))
    killed = 0
    while killed < kills:
        done = kill_workers(start(store, seeds=first, retry_failed=True), kills - killed, rng)
        assert {reason for _, reason in done["failed"]} <= {
            "its process was killed by SIGKILL, as the kernel does where memory is short"
        }
        killed += len(done["failed"])
    held = scored(store)
    for number in range(kills):
        driver = start(store, seeds=seeds, retry_failed=True)
        # Not before it computes: a driver that imports has nothing to lose.
        wait_for(partial(busy, driver))
        time.sleep(rng.uniform(0, 0.4 * trainings / kills))
        trained = workers(driver)
        driver.kill()
        driver.wait()
        psutil.wait_procs(trained, timeout=10)
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in trained), "workers die with it"
        now = scored(store)
        assert held <= now, f"records lost by kill {number}"
        held = now
    assert outcome(start(store, seeds=seeds, retry_failed=True))["failed"] == []
    assert stable(store) == stable(quiet)
    assert {r["status"] for r in lines(store)} == {"ok"}
    assert leaderboard(store) == leaderboard(quiet)


def kill_workers(driver: Driver, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill as many of a driver's processes, as long as it has any; returns what it says in the end."""
    while kills and driver.returncode is None:
        time.sleep(rng.uniform(0, 0.2))
        if victims := workers(driver):
            with suppress(psutil.NoSuchProcess):
                rng.choice(victims).kill()
                kills -= 1
    return outcome(driver)
