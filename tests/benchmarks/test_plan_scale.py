"""A matrix of a hundred thousand cells, planned on embedded data: seconds and memory, printed; no limit is asserted on
seconds. Run with `-m full -s`; the bounds are 10 s and 500 MB of the process's own memory (what it shares with other
processes, such as torch's libraries, left out) on a quiet machine."""

from pathlib import Path

import pytest

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


def own_memory() -> int:
    """MiB of this process that no other shares."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) // 1024


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
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
