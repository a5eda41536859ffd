"""Trees of class folders, and what is wrong with them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, DataMissing
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.datasets.imagefolder import ImageFolder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """BENCHBENCH_DATA with a nested tree of four classes, two images each, and things that are no images."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    for i, name in enumerate(("cats/lion", "cats/tiger", "dogs/wolf", "owl")):
        folder = tmp_path / "zoo" / name
        folder.mkdir(parents=True)
        for k in range(2):
            Image.fromarray(np.full((12, 20, 3), 40 * i + k, np.uint8)).save(folder / f"{k}.png")
    (tmp_path / "zoo" / "README.txt").write_text("no image")
    (tmp_path / "zoo" / "owl" / "Thumbs.db").write_bytes(b"no image")
    (tmp_path / "zoo" / ".cache").mkdir()
    return tmp_path


def load(path: str = "zoo", split: str | None = None, **settings: object) -> Prepared:
    given = {"path": path, "size": 8, **settings, **({} if split is None else {"split": split})}
    return prepare(resolve_component("dataset", "imagefolder", given))


def test_nested_classes_all_for_testing(root: Path) -> None:
    data = load()
    assert data.table.class_names == ("cats/lion", "cats/tiger", "dogs/wolf", "owl")
    assert data.table.x.shape == (8, 3, 8, 8)
    assert data.split.test == (0, 1, 2, 3)


def test_absolute_path_and_grey(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHBENCH_DATA")
    assert load(str(root / "zoo"), grey=True).table.shape == (1, 8, 8)


def test_split_file(root: Path) -> None:
    (root / "split.json").write_text(json.dumps({"train": ["owl", "cats/lion"], "test": ["dogs/wolf"]}))
    data = load(split="split.json")
    assert (data.split.train, data.split.valid, data.split.test) == ((0, 3), (), (2,))
    before = data.fingerprint
    (root / "split.json").write_text(json.dumps({"train": ["owl"], "test": ["dogs/wolf"]}))
    assert load(split="split.json").fingerprint != before


def test_unknown_class_in_the_split_file(root: Path) -> None:
    (root / "split.json").write_text(json.dumps({"test": ["cats/lino"]}))
    with pytest.raises(BenchbenchError, match=r"split\.json: part 'test' names class 'cats/lino'.*'cats/lion'"):
        load(split="split.json")


@pytest.mark.parametrize("content", ["{", "[]", '{"training": []}', '{"test": "owl"}'])
def test_malformed_split_file(root: Path, content: str) -> None:
    (root / "split.json").write_text(content)
    with pytest.raises(BenchbenchError, match=r"split file .*split\.json"):
        load(split="split.json")


def test_missing_split_file(root: Path) -> None:
    with pytest.raises(DataMissing, match=r"no split file .*none\.json"):
        load(split="none.json")


def test_missing_folder(root: Path) -> None:
    with pytest.raises(DataMissing, match=r"no folder .*zo: set 'path'"):
        load("zo")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_corrupt_image_is_named(root: Path, content: bytes) -> None:
    (root / "zoo" / "owl" / "2.png").write_bytes(content)
    with pytest.raises(BenchbenchError, match=r"owl.2\.png cannot be read"):
        load()


def test_truncated_image_is_named(root: Path) -> None:
    path = root / "zoo" / "owl" / "2.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BenchbenchError, match=r"owl.2\.png cannot be read"):
        load()


def test_empty_class_folder(root: Path) -> None:
    (root / "zoo" / "cats" / "puma").mkdir()
    with pytest.raises(BenchbenchError, match=r"folder .*cats.puma holds no image"):
        load()


def test_image_beside_the_class_folders(root: Path) -> None:
    Image.new("RGB", (4, 4)).save(root / "zoo" / "stray.png")
    with pytest.raises(BenchbenchError, match=r"stray\.png stands beside the class folders"):
        load()


CALTECH = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "caltech101" / "101_ObjectCategories"


@pytest.mark.skipif(not CALTECH.is_dir(), reason="needs BENCHBENCH_DATA with caltech101")
def test_real_data() -> None:
    data = ImageFolder(path=str(CALTECH), size=84)
    items = data.items(None)
    assert len({name.split("/")[0] for _, name in items}) == len(list(CALTECH.iterdir()))
    (sample,) = data.decode(items[-1])
    assert (sample.x.shape, sample.label) == ((3, 84, 84), items[-1][1].split("/")[0])
