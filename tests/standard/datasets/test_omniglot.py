"""Omniglot's four conventions, on a tree of the official layout and on the real data where they are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, DataMissing, SampleTable, tasks_folder
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench_standard.datasets.omniglot import Omniglot

SIZES = {"vinyals": (4112, 688, 1692), "finn": (4400, 400, 1692), "reptile": (4800, 0, 423)}
needs_data = pytest.mark.skipif(
    not (Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "omniglot-py").is_dir(),
    reason="needs BENCHBENCH_DATA with omniglot-py",
)


def characters() -> list[str]:
    """All 1,623, as the published lists have them."""
    content = json.loads((tasks_folder() / "splits" / "omniglot-vinyals.json").read_text("utf-8"))
    return sorted(c for part in ("train", "valid", "test") for c in content[part])


def table_of(names: list[str]) -> SampleTable:
    """A table with these classes and no samples."""
    return SampleTable(np.zeros((0, 1, 28, 28), np.uint8), np.zeros(0, np.int64), tuple(sorted(names)), "", "")


def rotated() -> SampleTable:
    return table_of([f"{c}/rot{turn:03d}" for c in characters() for turn in (0, 90, 180, 270)])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two characters with one drawing each: a stroke along the left edge of white paper."""
    for folder, character in (("images_background", "Greek/character01"), ("images_evaluation", "Tengwar/character02")):
        path = tmp_path / "omniglot-py" / folder / character / "0001_01.png"
        path.parent.mkdir(parents=True)
        paper = np.full((105, 105), 255, np.uint8)
        paper[:, :30] = 0
        Image.fromarray(paper).convert("1").save(path)
    return tmp_path


def test_reads_torchvisions_tree(tree: Path) -> None:
    samples = list(Omniglot(size=28).samples(tree))
    assert [s.label for s in samples][:4] == [f"Greek/character01/rot{t:03d}" for t in (0, 90, 180, 270)]
    assert len(samples) == 8
    assert samples[0].file == "omniglot-py/images_background/Greek/character01/0001_01.png"
    upright, quarter = samples[0].x[0], samples[1].x[0]
    assert upright.shape == (28, 28)
    assert upright[:, :6].min() > 200 > 50 > upright[:, 12:].max()
    assert (quarter == np.rot90(upright)).all()


def test_ink_and_rotation_follow_the_settings(tree: Path) -> None:
    samples = list(Omniglot(split="meta-dataset", ink="zero").samples(tree))
    assert [s.label for s in samples] == ["Greek/character01", "Tengwar/character02"]
    assert samples[0].x[0, :, :6].max() < 50


def test_missing_tree_says_where(tmp_path: Path) -> None:
    for root in (None, tmp_path):
        with pytest.raises(DataMissing, match="BENCHBENCH_DATA/omniglot-py/images_background"):
            Omniglot().sources(root)


@pytest.mark.parametrize("convention", ["vinyals", "finn", "reptile"])
def test_conventions(convention: str) -> None:
    table = rotated()
    split = Omniglot(split=convention).split(table)
    assert tuple(len(split.part(p)) for p in ("train", "valid", "test")) == SIZES[convention]
    of = {p: {table.class_names[c].rsplit("/", 1)[0] for c in split.part(p)} for p in ("train", "valid", "test")}
    assert len(set.union(*of.values())) == sum(map(len, of.values())) == 1623
    assert split == Omniglot(split=convention).split(table)


def test_finn_draws_characters() -> None:
    table = rotated()
    variant_of = Omniglot(split="finn").split(table).variant_of
    assert variant_of is not None
    assert (np.bincount(variant_of) == 4).all()
    assert len(set(variant_of)) == 1623


def test_reptile_is_unrotated_at_test() -> None:
    table = rotated()
    assert {table.class_names[c][-3:] for c in Omniglot(split="reptile").split(table).test} == {"000"}


def test_meta_dataset_is_by_alphabet() -> None:
    split = Omniglot(split="meta-dataset").split(table_of(characters()))
    assert (len(split.train), len(split.valid), len(split.test)) == (883, 81, 659)


@pytest.mark.parametrize("convention", ["vinyals", "finn", "meta-dataset"])
def test_an_incomplete_tree_is_refused(convention: str) -> None:
    with pytest.raises(BenchbenchError, match="dataset omniglot: expected"):
        Omniglot(split=convention).split(table_of(["Greek/character01/rot000"]))


def test_archives_have_torchvisions_checksums() -> None:
    assert [(a.name, a.checksum, a.into) for a in Omniglot.archives] == [
        ("images_background.zip", "md5:68d2efa1b9178cc56df9314c21c6e718", "omniglot-py"),
        ("images_evaluation.zip", "md5:6b91aef0f799c5bb55b94e3f2daec811", "omniglot-py"),
    ]


@needs_data
def test_real_data() -> None:
    data = prepare(resolve_component("dataset", "omniglot"))
    assert data.table.x.shape == (4 * 32460, 1, 28, 28)
    assert tuple(len(data.split.part(p)) for p in ("train", "valid", "test")) == SIZES["vinyals"]
    assert (np.bincount(data.table.labels) == 20).all()
    assert data.table.x[:1000].mean() < 60
