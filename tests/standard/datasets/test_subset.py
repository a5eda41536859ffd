"""A share of a dataset's training classes."""

import json

import numpy as np
import pytest

from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench.errors import BenchbenchError

CLASSES = 30


@pytest.fixture
def whole(tmp_path):
    """Thirty classes of two images; the settings of the dataset that they are."""
    names = [f"c{i:02d}" for i in range(CLASSES)]
    images = np.repeat(np.arange(2 * CLASSES, dtype=np.uint8), 64).reshape(-1, 8, 8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(CLASSES).repeat(2), class_names=names)
    split = {"train": names[:20], "valid": names[20:24], "test": names[24:]}
    (tmp_path / "split.json").write_text(json.dumps(split))
    return {"name": "npz", "path": str(tmp_path / "a.npz"), "split": str(tmp_path / "split.json"), "size": 8}


def subset(of, share) -> Prepared:
    return prepare(resolve_component("dataset", "subset", {"of": of, "share": share}))


def test_fewer_classes_to_train_on_and_the_same_to_test(whole):
    tenth, half = subset(whole, 0.13), subset(whole, 0.5)
    assert (len(tenth.split.train), len(half.split.train)) == (3, 10)
    assert set(tenth.split.train) < set(half.split.train) < set(range(20))
    # In random order, not the first of the table.
    assert half.split.train != tuple(range(10))
    assert tenth.split.valid == tuple(range(20, 24))
    assert tenth.split.test == tuple(range(24, 30))
    assert subset(whole, 1.0).split.train == tuple(range(20))
    assert tenth.fingerprint != half.fingerprint


def test_its_samples_are_read_from_the_datasets_own_table(whole):
    own = prepare(resolve_component("dataset", "npz", {k: v for k, v in whole.items() if k != "name"}))
    assert subset(whole, 0.5).table.folder == own.table.folder
    assert subset({"name": "subset", "of": whole, "share": 0.5}, 0.5).table.folder == own.table.folder


def test_a_union_has_none(whole):
    with pytest.raises(BenchbenchError, match="a union of subsets"):
        subset({"name": "union", "parts": [whole], "size": 8}, 0.5)
