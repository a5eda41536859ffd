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


#: Of drivers, and as many of workers.
KILLS = 20


@pytest.mark.timeout(1800)
def test_killed_drivers_and_workers_cost_no_record_and_make_none_twice(matrix, start, tmp_path):
    start = partial(start, matrix, jobs=2)
    quiet, store, rng = tmp_path / "quiet", tmp_path / "killed", random.Random(KILLS)
    trainings = benchbench.run(matrix, quiet, executor="inline").trained
    assert trainings == 25
    killed = 0
    while killed < KILLS:
        done = kill_workers(start(store, retry_failed=True), KILLS - killed, rng)
        assert {reason for _, reason in done["failed"]} <= {
            "its process was killed by SIGKILL, as the kernel does where memory is short"
        }
        killed += len(done["failed"])
    held, hit = scored(store), 0
    for number in range(KILLS):
        driver = start(store, retry_failed=True)
        # Not before it computes: a driver that imports has nothing to lose.
        wait_for(partial(busy, driver))
        time.sleep(rng.uniform(0, 0.4 * trainings / KILLS))
        trained = workers(driver)
        hit += bool(trained)
        driver.kill()
        driver.wait()
        psutil.wait_procs(trained, timeout=10)
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in trained), "workers die with it"
        now = scored(store)
        assert held <= now, f"records lost by kill {number}"
        held = now
    assert hit > KILLS / 2, "most had something to lose"
    assert outcome(start(store, retry_failed=True))["failed"] == []
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
