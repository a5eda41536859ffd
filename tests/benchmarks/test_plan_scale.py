"""A matrix of a hundred thousand cells, planned and driven on embedded data: seconds and memory, printed; no limit is
asserted on seconds. Run with `-m full -s`; the bounds are 10 s for the plan and, for its driver, 500 MB that no other
process shares (as they do torch's libraries), on a quiet machine."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import Plan, plan
from benchbench.store.plans import PlanFile

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
#: MiB: 500 MB for a driver, of which its plan may take a fifth.
LIMIT, PLAN_LIMIT = 476, 95


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
    assert after - before < PLAN_LIMIT


#: `benchbench run`, whose trainings take no time.
DRIVER = """
import sys
from benchbench.cli import main
from benchbench.execution import run
from benchbench.execution.job import Event

class Idle:
    def run(self, jobs, report):
        for job in jobs:
            report(Event("finished", job.training, 0.0))

run.make_executor = lambda *_: Idle()
main(["run", "--matrix", sys.argv[1], "--results", sys.argv[2], "--quiet"])
"""


def most_memory(*arguments: object) -> tuple[int, str]:
    """(MiB that `own_memory` gives at most of an interpreter with these arguments, what it prints)."""
    most = 0
    command = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            # One that is ending has no memory.
            with suppress(ValueError):
                most = max(most, own_memory(status.read_text()))
            time.sleep(0.02)
        assert process.stdout
        printed = process.stdout.read()
    assert process.returncode == 0, printed
    return most, printed


def test_a_driver_of_a_hundred_thousand_cells(large, capsys):
    matrix = large / "matrix.toml"
    axes = "\n".join(f"{axis} = {json.dumps(names)}" for axis, names in AXES.items())
    matrix.write_text(
        f'name = "driven"\nseeds = {list(range(SEEDS))}\n[axes]\n{axes}\n[budget]\nsamples = 1000\n', "utf-8"
    )
    driver, printed = most_memory("-c", DRIVER, matrix, large)
    (plan_file,) = (large / "plans").glob("driven.json")
    trainings = len(msgspec.json.decode(plan_file.read_bytes(), type=PlanFile).trainings)
    assert trainings >= SEEDS
    assert f"trained {trainings}, reused 0, failed 0" in printed
    torch, _ = most_memory("-c", "import torch, time; time.sleep(0.5)")
    with capsys.disabled():
        print(
            f"\na driver of {trainings:,} trainings, into a store of 100,002 other records, holds {driver} MiB of its "
            f"own at most; an interpreter that imports torch and nothing else {torch} MiB"
        )
    assert driver < LIMIT
