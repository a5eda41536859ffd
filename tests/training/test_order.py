"""An index into an unlabelled pool tells nothing about the class of its sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchbench
from benchbench import Episodes, EpisodeShape, Pool, Rng
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench.planning.matrix import parse_matrix
from benchbench_standard.pretexts.rotation import Rotation

#: Samples of each class of glyphs.
EACH = 20


def by_index(self: Rotation, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
    """Episodes whose classes are read off the places in the pool."""
    classes = rng.choices(len(pool) // EACH, shape.ways, count)
    members = rng.child("members").choices(EACH, shape.per_class, count * shape.ways)
    return Episodes.from_classes(
        pool.samples(EACH * classes.unsqueeze(-1) + members.view(count, shape.ways, -1)), shape
    )


@pytest.fixture(scope="module")
def glyphs() -> Prepared:
    return prepare(resolve_component("dataset", "glyphs"))


def pool(data: Prepared, part: str = "train", rng: Rng | None = None, *, labelled: bool = False) -> Pool:
    return Pool.of(data.table, data.split, part, name="glyphs", labelled=labelled, rng=rng)


def places(data: Prepared, rng: Rng | None = None, part: str = "train") -> list[int]:
    """Where in the table an unlabelled pool's samples stand."""
    return pool(data, part, rng)._rows.tolist()


def test_an_unlabelled_pool_holds_the_part_in_random_order(glyphs):
    ordered = pool(glyphs, labelled=True)._rows
    found = places(glyphs)
    assert sorted(found) == sorted(ordered.tolist())
    assert (np.diff(ordered) > 0).mean() > 0.95, "a labelled pool stands class by class"
    # Neighbours in the pool are of one class as often as any two samples: once in `classes`, not 19 times in 20.
    of = glyphs.table.labels[found]
    assert (of[1:] == of[:-1]).mean() < 0.05
    # How much an index tells: the share of samples whose class is the most frequent one of their block of twenty.
    blocks = of[: len(of) // EACH * EACH].reshape(-1, EACH)
    assert np.mean([np.unique(block, return_counts=True)[1].max() / EACH for block in blocks]) < 0.2


def test_its_order_is_the_streams_and_the_datas(glyphs):
    assert places(glyphs, Rng(0)) == places(glyphs, Rng(0)) != places(glyphs, Rng(1))
    other = replace(glyphs, table=replace(glyphs.table, fingerprint="another"))
    assert places(glyphs, Rng(0)) != places(other, Rng(0))


def accuracies(folder: Path) -> dict[str, float]:
    """Mean accuracy of 5-way 1-shot episodes after training, and of the encoder before it."""
    content = {
        "axes": {
            "pretext": ["rotation"], "meta": ["protonet"], "backbone": ["conv4"], "source": ["glyphs"],
            "target": ["glyphs"], "protocol": ["5way-1shot"],
        },
        "budget": {"samples": 30 * 700},
        "episodes": {"queries": 5},
        "training": {"lr": 3e-3},
        "settings": {"backbone": {"conv4": {"width": 16}}, "protocol": {"episodic": {"episodes": 200}}},
    }  # fmt: skip
    records = benchbench.run(parse_matrix(content, "order"), folder, executor="inline").records
    assert {r.status for r in records} == {"ok"}, [r.reason for r in records]
    own = [r for r in records if r.method.backbone == "conv4"]
    return {"floor" if r.flags.floor else "trained": 100 * r.summary["accuracy"].mean for r in own}


def test_episodes_by_index_teach_no_classes(monkeypatch, tmp_path):
    monkeypatch.setattr(Rotation, "episodes", by_index)
    found = accuracies(tmp_path / "unlabelled")
    assert found["trained"] < found["floor"] + 6
    # With labels, whose pool does stand class by class, the same episodes are of true classes.
    monkeypatch.setattr(Rotation, "uses_labels", True)
    told = accuracies(tmp_path / "labelled")
    assert told["trained"] > told["floor"] + 20
