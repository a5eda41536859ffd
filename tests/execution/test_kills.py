"""``kill -9`` at random moments: nothing is lost, nothing is double, and the leaderboard is that of a quiet run."""

import random
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

import benchbench
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.render import csv
from benchbench.store.records import parse_record

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
@pytest.mark.parametrize("victims", ["workers", "drivers"])
def test_a_killed_process_costs_no_record_and_makes_none_twice(victims, matrix, start, tmp_path):
    start, kill = partial(start, matrix, jobs=2, retry_failed=True), {"workers": kill_workers, "drivers": kill_driver}
    quiet, rng = tmp_path / "quiet", random.Random(KILLS)
    assert benchbench.run(matrix, quiet, executor="inline").trained == 25
    killed, stores = 0, []
    # A store that is whole has nothing to lose: the next one takes its place.
    while killed < KILLS:
        if not stores or scored(stores[-1]) == scored(quiet):
            stores.append(tmp_path / f"{victims}-{len(stores)}")
        held = scored(stores[-1])
        killed += kill[victims](start(stores[-1]), KILLS - killed, rng)
        assert held <= scored(stores[-1]), f"records lost before kill {killed}"
    assert outcome(start(stores[-1]))["failed"] == []
    for store in stores:
        assert stable(store) == stable(quiet)
        assert {r["status"] for r in lines(store)} == {"ok"}
        assert leaderboard(store) == leaderboard(quiet)


def kill_workers(driver: Driver, kills: int, rng: random.Random) -> int:
    """Kill as many of a driver's processes, as long as it has any; returns how many trainings that cost."""
    while kills and driver.returncode is None:
        time.sleep(rng.uniform(0, 0.2))
        if victims := workers(driver):
            with suppress(psutil.NoSuchProcess):
                rng.choice(victims).kill()
                kills -= 1
    failed = outcome(driver)["failed"]
    assert {reason for _, reason in failed} <= {
        "its process was killed by SIGKILL, as the kernel does where memory is short"
    }
    return len(failed)


def kill_driver(driver: Driver, kills: int, rng: random.Random) -> int:
    """Kill a driver while it trains; returns whether it had processes, which die with it."""
    wait_for(partial(busy, driver))
    time.sleep(rng.uniform(0, 0.3))
    trained = workers(driver)
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(alive(w) for w in trained), 10)
    return bool(trained)


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has waited for does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
