"""``kill -9`` at random moments: nothing is lost, nothing is double, and the leaderboard is that of a quiet run."""

import random
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.render import csv
from benchbench.records import parse_record

from .conftest import busy, lines, outcome, stable, wait_for, workers


@pytest.fixture
def quiet(matrix: Path, start, tmp_path: Path) -> Path:
    """The store of an undisturbed run."""
    done = outcome(start(matrix, tmp_path / "quiet", jobs=2))
    assert (done["trained"], done["reused"], done["failed"]) == (25, 0, [])
    return tmp_path / "quiet"


def leaderboard(store: Path) -> str:
    """As CSV, with all that took time at nought."""
    paths = sorted((store / "records").glob("*.jsonl"))
    records = [parse_record(line) for path in paths for line in path.read_text().splitlines()]
    return csv(aggregate([r.model_copy(update={"timing": dict.fromkeys(r.timing, 0.0)}) for r in records]))


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.full, pytest.mark.timeout(1800)])])
def test_killed_drivers_and_workers_cost_no_record_and_make_none_twice(quiet, matrix, start, tmp_path, kills):
    store, rng, held = tmp_path / "killed", random.Random(kills), set()
    for number in range(kills):
        driver = start(matrix, store, jobs=2)
        # Not before it computes: a driver that imports has nothing to lose.
        wait_for(partial(busy, driver))
        time.sleep(rng.uniform(0, 10 / kills))
        trained = workers(driver)
        driver.kill()
        driver.wait()
        psutil.wait_procs(trained, timeout=10)
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in trained), "workers die with it"
        now = set(stable(store))
        assert held <= now, f"records lost by kill {number}"
        held = now
    driver = start(matrix, store, jobs=2)
    killed = 0
    while killed < kills and driver.returncode is None:
        if victims := workers(driver):
            try:
                rng.choice(victims).kill()
            except psutil.NoSuchProcess:
                continue
            killed += 1
        time.sleep(rng.uniform(0, 0.5))
    done = outcome(driver)
    assert {reason for _, reason in done["failed"]} <= {
        "its process was killed by SIGKILL, as the kernel does where memory is short"
    }
    assert held <= set(stable(store))
    again = outcome(start(matrix, store, jobs=2, retry_failed=True))
    assert (again["trained"], again["failed"]) == (len(done["failed"]), [])
    assert stable(store) == stable(quiet)
    assert {r["status"] for r in lines(store)} == {"ok"}
    assert leaderboard(store) == leaderboard(quiet)
