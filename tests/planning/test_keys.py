"""Keys of a packaged matrix, pinned: a plan that is made another way must not orphan the records of earlier ones."""

import hashlib
from pathlib import Path

import pytest

from benchbench import BenchbenchError
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import Plan, plan


@pytest.fixture
def unprepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The `ci` matrix without prepared data: its provisional keys depend on no file of this machine."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))
    return plan(load_matrix("ci"), prepare_data=False)


def test_keys_of_a_packaged_matrix_are_those_of_earlier_versions(unprepared):
    first = unprepared.trainings[0]
    assert first.label == "labels × nearest-centroid (conv4, glyphs, seed 0)"
    assert first.key == "d8fd93b2ee6bf8863a4e5a9131ab0b2da0d1045715bba82ae9d4d6c9ca0a04a9"
    assert [c.key for c in first.cells] == ["84365013a81af2a0e3aaa019ed3ddb7883f62871cd285d945741dd9b5f38b32d"]
    keys = [k for t in unprepared.trainings for k in (t.key, *(s.key for s in t.stages), *(c.key for c in t.cells))]
    assert hashlib.sha256("\n".join(keys).encode()).hexdigest() == (
        "2eb4c974d07799e988d2fccb23cfe0ea80bee2a4adae70c8f0dde4498acc6560"
    ), "keys of unchanged content changed: a revision, a new setting without a neutral value, or a defect of the plan"


def test_floors_are_planned_whatever_regimes_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))
    found = plan(load_matrix("ci", {"axes.regime": ["pseudo"], "seeds": [0]}), prepare_data=False)
    floors = {t.method.label for t in found.trainings if t.floor}
    assert floors == {"none × nearest-centroid", "none × nearest-neighbour"}
    assert "joint" not in {t.method.regime for t in found.trainings if not t.floor}


def test_seeds_are_the_outer_order_and_change_every_key(unprepared):
    trainings = unprepared.trainings
    half = len(trainings) // 2
    assert [t.seed for t in trainings] == [0] * half + [1] * half
    assert [t.method for t in trainings[:half]] == [t.method for t in trainings[half:]]
    assert len({c.key for t in trainings for c in t.cells}) == len(trainings)


def test_what_is_named_twice_is_refused():
    for key, twice, name in (("seeds", [1, 0, 1], "1"), ("axes.meta", ["maml", "maml"], "'maml'")):
        with pytest.raises(BenchbenchError, match=f"{key}: each must be given once, and {name} is given 2 times"):
            load_matrix("ci", {key: twice})
