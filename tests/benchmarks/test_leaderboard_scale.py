"""A hundred thousand records from JSON Lines to Markdown and CSV: seconds and memory, printed; no limit is asserted on
seconds. Run with `-m full -s`; the bound is 10 s and 2 GB on two cores of a quiet machine."""

import hashlib
import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchbench.keys import canonical
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.cells import read_cells
from benchbench.leaderboard.render import csv, markdown
from benchbench.store.records import SCHEMA

TARGETS = ("digits", "glyphs", "symbols")
EPISODES = 600


def write(folder: Path, trainings: int) -> Path:
    """Records of as many trainings, each in a file of its own as the store writes them: a hundred pretexts, three
    seeds, three targets, content and curve of the usual size."""
    (folder / "records").mkdir(parents=True)
    rng = np.random.RandomState(0)
    for t in range(trainings):
        key = hashlib.sha256(f"{t}".encode()).hexdigest()
        lines = [canonical(record(t, key, target, rng.randint(0, 76, EPISODES))) for target in TARGETS]
        (folder / "records" / f"{key[:16]}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def record(t: int, key: str, target: str, counts: np.ndarray) -> dict:
    method, seed = divmod(t, 3)
    settings = {f"setting_{i}": 0.1 * i for i in range(12)}
    component = {"name": "benchbench-suite:component", "revision": 1, "settings": settings}
    content = dict.fromkeys(("backbone", "learner", "pretext", "recipe", "source"), component)
    content |= {"seed": seed, "stages": [key], "target": {"name": target}, "protocol": {"name": "episodic"}}
    fractions = counts / 75
    summary = {"mean": fractions.mean(), "ci95": 1.96 * fractions.std() / EPISODES**0.5, "n": EPISODES}
    return {
        "schema_version": SCHEMA,
        "key": hashlib.sha256(f"{t} {target}".encode()).hexdigest(),
        "training_key": key,
        "status": "ok",
        "reason": None,
        "matrix": "scale",
        "method": {
            "pretext": f"p{method % 100}", "meta": f"m{method // 100}", "backbone": "conv4", "regime": "pseudo",
        },
        "source": "glyphs",
        "target": target,
        "protocol": "5way-1shot",
        "seed": seed,
        "content": content,
        "scores": {"accuracy": {"values": counts.tolist(), "denominator": 75, "unit": "episode"}},
        "summary": {"accuracy": summary},
        "episodes_hash": target,
        "cost": {"parameters": 112_000, "samples": 60_000, "encoder_passes": 60_000, "flops": 10**12},
        "flags": {"transductive": False, "labels": "none", "selection": "last", "floor": False},
        "curve": [{"samples": 100.0 * i, "loss": 1 / i, "step": float(i)} for i in range(1, 31)],
        "timing": {"train_seconds": 40.0},
        "environment": {"torch": "2.9.0", "device": "cpu"},
    }  # fmt: skip


def rendered(folder: Path) -> tuple[str, str]:
    cells, problems = read_cells(folder)
    assert not problems
    table = aggregate(cells)
    return markdown(table), csv(table)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_records(benchmark, tmp_path, capsys):
    folder = write(tmp_path, 33_334)
    text, numbers = benchmark.pedantic(rendered, (folder,), rounds=3, warmup_rounds=1)
    assert text.count("\n| p") == numbers.count("\n") - 1 == 11_112
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with capsys.disabled():
        print(f"\n100,002 records: {benchmark.stats.stats.min:.1f} s at best, {peak:.2f} GiB peak of the process")
    assert peak < 2


@pytest.mark.full
def test_memory_grows_linearly(tmp_path, capsys):
    peaks = {}
    for trainings in (1_000, 2_000, 4_000):
        folder = write(tmp_path / str(trainings), trainings)
        tracemalloc.start()
        rendered(folder)
        peaks[trainings] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    with capsys.disabled():
        print("\n" + ", ".join(f"{3 * n:,} records: {peak:.1f} MiB" for n, peak in peaks.items()))
    first, second = peaks[2_000] - peaks[1_000], (peaks[4_000] - peaks[2_000]) / 2
    assert second < 1.25 * first
