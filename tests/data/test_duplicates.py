"""Leakage checks, on tables whose duplicates were put there by hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench.components.reference import ComponentRef, resolve_component
from benchbench.data.duplicates import Overlap, duplicates, overlap
from benchbench.data.prepare import Prepared, prepare
from benchbench.data.verify import verify


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))


def tree(folder: Path, levels: dict[str, list[int]], split: dict[str, list[str]], size: int = 8) -> Prepared:
    """Images of one grey level each, by class."""
    for name, values in levels.items():
        (folder / "tree" / name).mkdir(parents=True)
        for i, value in enumerate(values):
            Image.fromarray(np.full((8, 8), value, np.uint8)).save(folder / "tree" / name / f"{i}.png")
    (folder / "split.json").write_text(json.dumps(split))
    return prepare(of_tree(folder, size))


def of_tree(folder: Path, size: int = 8) -> ComponentRef:
    settings = {"path": str(folder / "tree"), "split": str(folder / "split.json"), "size": size, "grey": True}
    return resolve_component("dataset", "imagefolder", settings)


def test_duplicates(tmp_path: Path) -> None:
    """1 comes three times in classes of two parts, 2 twice in one class, 5 in two classes of one part."""
    data = tree(
        tmp_path,
        {"a": [1, 2, 2, 5], "b": [3, 1, 1], "c": [4, 5], "d": [6]},
        {"train": ["a", "c"], "valid": ["d"], "test": ["b"]},
    )
    found = duplicates(data)
    # Rows: a 0 to 3, b 4 to 6, c 7 and 8, d 9.
    assert found.groups == ((0, 5, 6), (1, 2), (3, 8))
    assert found.extra == 4
    assert found.across_classes == 2
    assert found.across_parts == {("train", "test"): 1}


def test_a_dataset_without_duplicates(tmp_path: Path) -> None:
    found = duplicates(tree(tmp_path, {"a": [1], "b": [2]}, {"test": ["a", "b"]}))
    assert (found.groups, found.extra, found.across_classes, found.across_parts) == ((), 0, 0, {})


def test_overlap_of_classes_and_images(tmp_path: Path) -> None:
    source = tree(
        tmp_path / "s", {"001.Blue_Jay": [1, 2], "wolf": [3], "owl": [4]}, {"train": ["001.Blue_Jay", "wolf"]}
    )
    target = tree(
        tmp_path / "t",
        {"blue jay": [9], "fox": [2, 3, 4], "wolf": [1]},
        {"test": ["blue jay", "fox"], "train": ["wolf"]},
    )
    # The jay is in both; 2 and 3 were trained on, 4 is in no part of the source, 1 in no test class of the target.
    found = overlap(source, target)
    assert found == Overlap(classes=("blue jay",), images=2)
    assert overlap(target, source) == Overlap(classes=(), images=0)


def test_overlap_of_names_whose_accents_are_written_otherwise(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"b\u00e4r": [1], "owl": [2]}, {"train": ["b\u00e4r"]})
    target = tree(tmp_path / "t", {"ba\u0308r": [3], "fox": [4]}, {"test": ["b\u00e4r"]})
    assert overlap(source, target).classes == ("ba\u0308r",)


def test_overlap_of_tables_of_unequal_shape_and_of_numbers(tmp_path: Path) -> None:
    """Class 00 of one dataset is nothing like 00 of another, nor is a name that numbers alone tell apart."""
    source = tree(tmp_path / "s", {"00": [1], "letter1": [2], "letter2": [3]}, {"train": ["00", "letter1"]})
    target = tree(tmp_path / "t", {"00": [1], "letter1": [2]}, {"test": ["00", "letter1"]}, size=16)
    assert overlap(source, target) == Overlap(classes=(), images=0)


def test_verify(tmp_path: Path) -> None:
    data = tree(tmp_path, {"a": [1, 1], "b": [2]}, {"test": ["a"]})
    found = verify(data)
    assert found.sound
    assert found.duplicates.groups == ((0, 1),)
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / "tree" / "a" / "0.png")
    Image.fromarray(np.full((8, 8), 78, np.uint8)).save(tmp_path / "tree" / "b" / "9.png")
    (tmp_path / "tree" / "a" / "1.png").unlink()
    found = verify(data)
    assert (found.changed, found.added, found.gone) == (("a/0.png",), ("b/9.png",), ("a/1.png",))
    assert found.pixels
    assert not found.sound


def test_verify_reads_the_pixels_again(tmp_path: Path) -> None:
    data = tree(tmp_path, {"a": [1], "b": [2]}, {"test": ["a"]})
    assert data.table.folder is not None
    with (data.table.folder / "x.bin").open("r+b") as file:
        file.seek(70)
        file.write(b"\xff")
    found = verify(prepare(of_tree(tmp_path)))
    assert not found.pixels
    assert not found.changed


@pytest.mark.full
@pytest.mark.skipif(
    not (Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "cifar100").is_dir(),
    reason="needs BENCHBENCH_DATA with cifar100",
)
def test_cifar100_has_26_of_which_10_lie_across_its_own_train_and_test() -> None:
    """Counted on the published images: the two sets are told apart by their file names."""
    found = duplicates(prepare(resolve_component("dataset", "cifar100")))
    origin = [{found.table.files[row].split("/")[-1].split("_")[0] for row in group} for group in found.groups]
    assert len(origin) == found.extra == 26
    assert sum(sets == {"train", "test"} for sets in origin) == 10
