"""Up to a million records from JSON Lines to Markdown, CSV and the page: CPU seconds and memory, printed; no limit is
asserted on seconds. Run with `-m full -s`; the bounds for a million are a minute of CPU on a quiet machine, and 1 GiB.
The records take 7 GB of disk."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchbench.keys import canonical
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


#: A leaderboard's tables and page from its records, and what they took: CPU seconds and peak memory of the process.
MEASURED = """
import sys, time
from pathlib import Path

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.cells import read_cells, uncollected
from benchbench.leaderboard.render import rendered
from benchbench.store.files import RecordReader, atomic_write

results, output = map(Path, sys.argv[1:])
cells, problems = read_cells(results)
assert not problems
names = ("LEADERBOARD.md", "leaderboard.csv", "leaderboard.html")
with uncollected():
    for name, parts in rendered(aggregate(cells), names=names, told={}, read=RecordReader(results)):
        atomic_write(output / name, map(str.encode, parts))
# Not what getrusage calls the peak: that begins at the memory of the process that started this one.
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(time.process_time(), int(peak.split()[1]) / 1024)
"""


def measured(folder: Path) -> tuple[float, float]:
    """CPU seconds and peak MiB of a process that makes Markdown, CSV and page of the records of a folder."""
    command = [sys.executable, "-c", MEASURED, str(folder), str(folder / "files")]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.timeout(3600)
def test_ten_thousand_to_a_million_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peaks = {}
    for trainings in (3_334, 33_334, 333_334):
        folder = write(tmp_path / str(trainings), trainings)
        seconds, peaks[trainings] = measured(folder)
        rows = (trainings + 2) // 3
        assert (folder / "files" / "leaderboard.csv").read_text("utf-8").count("\n") == rows + 1
        text = (folder / "files" / "LEADERBOARD.md").read_text("utf-8")
        assert f"The first 100 of {rows:,} rows" in text
        page = (folder / "files" / "leaderboard.html").stat().st_size / 2**20
        with capsys.disabled():
            print(
                f"\n{3 * trainings:,} records to Markdown, CSV and the page ({page:.1f} MiB): {seconds:.1f} s of CPU, "
                f"{peaks[trainings]:.0f} MiB at most",
                end="",
            )
        shutil.rmtree(folder)
    assert max(peaks.values()) < 1024
    # Not faster than linear, beyond what any number takes.
    first, second = peaks[33_334] - peaks[3_334], peaks[333_334] - peaks[33_334]
    assert second < 12 * first
