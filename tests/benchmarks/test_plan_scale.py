"""A matrix of a hundred thousand cells, planned and driven on embedded data: seconds and memory, printed; no limit is
asserted on seconds. Run with `-m full -s`; the bounds are 10 s and 500 MB of the process's own memory (what it shares
with other processes, such as torch's libraries, left out) on a quiet machine."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchbench import api
from benchbench.execution.job import Event, Job
from benchbench.matrix import parse_matrix
from benchbench.plan import Plan, plan

AXES = {
    "pretext": ["labels", "rotation", "jigsaw"],
    "meta": ["nearest-centroid", "protonet", "maml"],
    "backbone": ["conv4", "mlp"],
    "source": ["glyphs"],
    "target": ["glyphs", "digits"],
    "protocol": ["5way-1shot", "5way-5shot"],
}
#: 21 trainings a seed, floors counted, on two targets under two protocols: 84 cells.
SEEDS = 1200


def planned(seeds: int) -> Plan:
    content = {"axes": AXES, "seeds": list(range(seeds)), "budget": {"samples": 1000}}
    return plan(parse_matrix(content, "scale"))


def own_memory(status: str = "") -> int:
    """MiB of this process, or of one whose status that is, that no other shares."""
    lines = (status or Path("/proc/self/status").read_text()).splitlines()
    (line,) = (line for line in lines if line.startswith("RssAnon:"))
    return int(line.split()[1]) // 1024


pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]


def test_a_hundred_thousand_cells(benchmark, capsys):
    planned(1)  # imports components and prepares data
    before = own_memory()
    whole = benchmark.pedantic(planned, (SEEDS,), rounds=3)
    cells = {c.key for t in whole.trainings for c in t.cells}
    after = own_memory()
    assert len(cells) >= 100_000
    with capsys.disabled():
        print(
            f"\n{len(cells):,} cells of {len(whole.trainings):,} trainings: {benchmark.stats.stats.min:.1f} s at best, "
            f"{after - before} MiB more than the {before} MiB of a plan of one seed"
        )
    assert after < 500


class Idle:
    """An executor whose trainings take no time."""

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        self.jobs = len(jobs)
        for job in jobs:
            report(Event("finished", job.training, 0.0))
        self.memory = own_memory()


def test_a_driver_of_a_hundred_thousand_cells(tmp_path, monkeypatch, capsys):
    executor = Idle()
    monkeypatch.setattr(api, "make_executor", lambda *_: executor)
    done = api.run_plan(planned(SEEDS), tmp_path)
    assert done.trained == executor.jobs == len(done.trainings)
    program = "import torch; print(open('/proc/self/status').read())"
    torch = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    with capsys.disabled():
        print(
            f"\na driver of {done.trained:,} trainings holds {executor.memory} MiB of its own while it runs, "
            f"{own_memory()} MiB afterwards; an interpreter that imports torch and nothing else {own_memory(torch)} MiB"
        )
    assert max(executor.memory, own_memory()) < 500
