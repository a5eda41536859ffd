"""Keys of a packaged matrix, pinned: a plan that is made another way must not orphan the records of earlier ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError
from benchbench.planning.matrix import load_matrix, parse_matrix
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
    # Pinned anew when MAML's `test_steps`, which this matrix sets, left the keys of stages.
    assert hashlib.sha256("\n".join(keys).encode()).hexdigest() == (
        "fc0b4c5a7ad985bd5bcfeecd2bef771c7c232554b976ff16669e5d6c36428805"
    ), "keys of unchanged content changed: a revision, a new setting without a neutral value, or a defect of the plan"


def test_keys_of_quick_and_of_pictures_of_ones_own_stay(tmp_path, monkeypatch, shared_cache):
    """Pinned before components could have names of a matrix's own."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    quick = plan(load_matrix("quick"), prepare_data=False)
    keys = [k for t in quick.trainings for k in (t.key, *(s.key for s in t.stages), *(c.key for c in t.cells))]
    assert hashlib.sha256("\n".join(keys).encode()).hexdigest() == (
        "6c8de93df952c397dbeb3eef0f2c2faa36a101d48bcb07ac0d183616619de4d6"
    )
    for c in range(6):
        (tmp_path / "birds" / f"class{c}").mkdir(parents=True)
        for i in range(4):
            image = Image.fromarray(np.full((28, 28), 40 * c + i, np.uint8))
            image.save(tmp_path / "birds" / f"class{c}" / f"{i}.png")
    axes = {"pretext": ["labels"], "meta": ["protonet"], "backbone": ["conv4"], "source": ["glyphs"]}
    settings = {"path": str(tmp_path / "birds"), "size": 28, "grey": True}
    content = {
        "name": "own",
        "floors": False,
        "axes": {**axes, "target": ["imagefolder"], "protocol": ["episodic"]},
        "budget": {"samples": 60},
        "settings": {"protocol": {"episodic": {"queries": 2}}},
    }
    named = content | {"dataset": {"birds": {"of": "imagefolder", **settings}}}
    named["axes"] = {**content["axes"], "target": ["birds"]}
    content["settings"] = {**content["settings"], "dataset": {"imagefolder": settings}}
    shared_cache()
    for given in (content, named):
        (cell,) = plan(parse_matrix(given, "own")).trainings[0].cells
        assert cell.key == "87702bc15514386e54a757c76ab5e127b0d8ce73b485055f78e4d6178aba8505"


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
