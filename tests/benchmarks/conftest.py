"""What comparisons share."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from benchbench.keys import canonical
from benchbench.store.plans import PlanFile, PlannedCell, PlannedTraining
from benchbench.store.records import Method
from tests.benchmarks.test_leaderboard_scale import EPISODES, TARGETS, record


@pytest.fixture
def one_thread():
    """Torch on one thread and a seeded generator, for ours and for peers alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def large(tmp_path) -> Path:
    """A store of 33,334 trainings and 100,002 records of the usual size, all of one training's scores, and its plan.
    To write them one by one as runs do would take longer than all that is timed."""
    method = Method("labels", "protonet", "conv4", "pseudo")
    blank = {"key": "K" * 64, "training_key": "T" * 64}
    counts = np.random.RandomState(0).randint(0, 76, EPISODES)
    templates = {target: canonical(record(0, "", target, counts) | blank) for target in TARGETS}
    trainings = []
    (tmp_path / "records").mkdir()
    for t in range(33_334):
        key = hashlib.sha256(f"{t}".encode()).hexdigest()
        cells = [
            PlannedCell(hashlib.sha256(f"{t} {target}".encode()).hexdigest(), target, "5way-1shot")
            for target in TARGETS
        ]
        lines = [templates[c.target].replace("K" * 64, c.key).replace("T" * 64, key) for c in cells]
        (tmp_path / "records" / f"{key[:16]}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        trainings.append(PlannedTraining(key, f"training {t}", method, "glyphs", t, [key], cells))
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "scale.json").write_bytes(msgspec.json.encode(PlanFile("scale", trainings)))
    return tmp_path
