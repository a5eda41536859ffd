"""The real plan, scheduler, queue, driver and store, on a thousand workers that compute nothing. Makespan, events a
second and memory are printed; that no record is lost is asserted. Run with `-m full -s`."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.execution import run as driver
from benchbench.execution.claims import JobQueue
from benchbench.execution.executor import Executor
from benchbench.execution.job import Event, Job
from benchbench.keys import canonical
from benchbench.planning.plan import Plan
from benchbench.store.files import Store, read_records
from benchbench.store.records import Record, parse_record
from tests.benchmarks.test_leaderboard_scale import record
from tests.benchmarks.test_plan_scale import SEEDS, own_memory, planned

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

WORKERS = 1_000
#: One training in fifty takes ten times as long as others of its kind; one worker in a hundred is lost in a training.
STRAGGLERS, SLOWER, LOST = 0.02, 10.0, 0.01
#: Seconds that a kind of training takes, as far as any of its names says so.
SECONDS = {"maml": 240.0, "protonet": 40.0, "nearest-centroid": 40.0, "mlp": 5.0}


@dataclass
class Simulated(Executor):
    """Workers with a clock of their own. What they would write, the driver does, as with Ray."""

    workers: int
    rng: np.random.RandomState
    events: int = 0
    worked: float = 0.0
    longest: float = 0.0
    clock: float = 0.0
    lost: int = 0
    scores: list[list[int]] = field(default_factory=list)

    def seconds(self, job: Job) -> float:
        kind = job.training.method
        usual = min((SECONDS[n] for n in (kind.meta, kind.backbone) if n in SECONDS), default=40.0)
        return usual * math.exp(0.2 * self.rng.randn()) * (SLOWER if self.rng.rand() < STRAGGLERS else 1.0)

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        def tell(kind: str, job: Job, data: Any = None) -> None:
            self.events += 1
            report(Event(kind, job.training, data))

        ends: list[tuple[float, int, Job, float, bool]] = []
        with JobQueue(jobs, report) as queue:
            while queue.waiting or ends:
                while len(ends) < self.workers and (job := queue.next()):
                    tell("started", job)
                    takes, lost = self.seconds(job), self.rng.rand() < LOST
                    spent = takes * self.rng.rand() if lost else takes
                    heappush(ends, (self.clock + spent, self.events, job, takes, lost))
                    self.worked += spent
                    self.longest = max(self.longest, spent)
                self.clock, _, job, takes, lost = heappop(ends)
                if lost:
                    self.lost += 1
                    tell("stopped", job)
                    queue.again(job)
                    continue
                for made in self.records(job, takes):
                    Store(job.store).add(job.training.key, [made])
                    tell("record", job, made)
                queue.done(job)
                tell("finished", job, takes)

    def records(self, job: Job, takes: float) -> list[Record]:
        made = []
        for cell in job.cells:
            values = self.scores[self.events % len(self.scores)]
            about = record(0, job.training.key, cell.target.bare, np.array(values))
            t = job.training
            method = {name: getattr(t.method, name) for name in ("pretext", "meta", "backbone", "regime")}
            about |= {"key": cell.key, "method": method, "source": t.source_name, "seed": t.seed}
            made.append(parse_record(canonical(about | {"timing": {"train_seconds": takes}}).encode()))
        return made


def run(todo: Plan, store: Path, monkeypatch: pytest.MonkeyPatch) -> Simulated:
    rng = np.random.RandomState(0)
    workers = Simulated(WORKERS, rng, scores=rng.randint(0, 76, (64, 150)).tolist())
    monkeypatch.setattr(driver, "make_executor", lambda *_: workers)
    outcome = driver.run_plan(todo, store)
    assert outcome.failed == outcome.failures == []
    return workers


def test_no_record_is_lost_by_a_thousand_workers(tmp_path, monkeypatch, capsys):
    # So that the scheduler knows what a training of each kind costs.
    run(planned(1), tmp_path, monkeypatch)
    todo = planned(SEEDS)
    before = own_memory()
    started, used = time.perf_counter(), time.process_time()
    workers = run(todo, tmp_path, monkeypatch)
    wall, cpu, memory = time.perf_counter() - started, time.process_time() - used, own_memory() - before
    records, problems = read_records(tmp_path)
    assert problems == []
    wanted = {c.key for t in todo.trainings for c in t.cells}
    assert {r.key for r in records} == wanted
    least = workers.worked / WORKERS, workers.longest
    with capsys.disabled():
        print(
            f"\n{len(wanted):,} cells of {len(todo.trainings):,} trainings on {WORKERS:,} workers, of which "
            f"{workers.lost} were lost: {workers.clock:,.0f} s, where all work over all workers is "
            f"{least[0]:,.0f} s and the longest training {least[1]:,.0f} s "
            f"({workers.clock / max(least):.3f} of the larger)"
            f"\ndriver and store: {workers.events:,} events in {cpu:.0f} s of CPU and {wall:.0f} s by the wall "
            f"({workers.events / wall:,.0f} a second), {memory} MiB"
        )
