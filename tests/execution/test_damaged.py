"""A run on a store with damaged checkpoints: it ends well, with the same records, and its user is told."""

import os
import shutil
from pathlib import Path

import pytest

from benchbench.execution.job import Job, fail_job
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan
from benchbench.store.files import Store
from benchbench.training.chain import Training

from .conftest import COMMAND, stable


def trainings(matrix: Path) -> list[Training]:
    return plan(load_matrix(str(matrix), {"seeds": [0]})).trainings


@pytest.fixture
def run(matrix, launch):
    """``benchbench run`` of the matrix with one seed: (store, *options) to its exit code and what it says."""
    matrix.write_text(matrix.read_text().replace("[0, 1, 2, 3, 4]", "[0]"))

    def done(store: Path, *options: str) -> tuple[int, str]:
        driver = launch(COMMAND, "run", "--matrix", matrix, "--results", store, "--jobs", "2", *options)
        _, err = driver.wait()
        return driver.returncode, err

    return done


@pytest.mark.parametrize("options", [[], ["--retry-failed"]], ids=["plain", "retry-failed"])
def test_damaged_finals_cost_a_training_and_no_result(run, matrix, tmp_path, options, command):
    store = Store(tmp_path / "runs")
    assert run(store.root)[0] == 0
    expected = stable(store.root)
    shutil.rmtree(store.root / "records")
    work = trainings(matrix)
    if options:
        # As an earlier version recorded it, once and for all.
        for training in work:
            fail_job(Job(training, training.cells, store.root), "SafetensorError", lambda event: None)
    shared = next(t.stages[0].key for t in work if len(t.stages) == 2)
    first, second = (store.checkpoint(key, "final") for key in sorted({t.stages[-1].key for t in work} - {shared})[:2])
    cut = store.checkpoint(shared, "final")
    os.truncate(cut, cut.stat().st_size // 2)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    code, err = run(store.root, *options)
    assert code == 0, err
    assert stable(store.root) == expected
    logs = "".join(path.read_text() for path in (store.root / "logs").iterdir())
    for file in (cut, first, second):
        assert logs.count(f"checkpoint {file} is damaged: ") == 1
        assert file.with_name("final.safetensors.damaged-1").exists()
    owner = next(t for t in work if first in [store.checkpoint(s.key, "final") for s in t.stages])
    assert f"checkpoint {first} is damaged: it belongs" in command("logs", owner.key, "--results", store.root)[1]
