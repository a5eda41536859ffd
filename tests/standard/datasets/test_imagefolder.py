"""Trees of class folders, and what is wrong with them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, DataMissing, SampleSpec, Target
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


def test_what_is_passed_over_is_said(root: Path) -> None:
    (root / "zoo" / "cats" / "puma" / "old").mkdir(parents=True)
    (root / "zoo" / "__MACOSX" / "owl").mkdir(parents=True)
    (root / "zoo" / "__MACOSX" / "owl" / "._0.png").write_bytes(b"\0\5\x16\7")
    (root / "zoo" / "owl" / "3.heic").write_bytes(b"")
    (root / "zoo" / "owl" / "4.HEIC").write_bytes(b"")
    data = load()
    assert data.table.class_names == ("cats/lion", "cats/tiger", "dogs/wolf", "owl")
    assert data.dataset.remarks(root) == [
        "passed over: 4 files that end in none of .bmp, .gif, .jpeg, .jpg, .png, .ppm, .tif, .tiff, .webp: "
        ".db 1, .heic 2, .txt 1",
        "passed over: 2 folders without an image: cats/puma, cats/puma/old",
        "passed over: 1 folders of an archiver: __MACOSX",
    ]


def test_a_tree_without_an_image(root: Path) -> None:
    (root / "none" / "ant").mkdir(parents=True)
    with pytest.raises(BenchbenchError, match=r"none holds no image: expected files that end in \.bmp"):
        load("none")


def test_links_are_followed_but_not_in_circles(root: Path) -> None:
    (root / "store").mkdir()
    Image.new("RGB", (4, 4)).save(root / "store" / "x.png")
    (root / "zoo" / "linked").symlink_to(root / "store")
    (root / "zoo" / "again").symlink_to(root / "store")
    (root / "zoo" / "owl" / "up").symlink_to(root / "zoo")
    (root / "store" / "self").symlink_to(root / "store")
    data = load()
    assert data.table.class_names == ("again", "cats/lion", "cats/tiger", "dogs/wolf", "linked", "owl")
    assert len(data.table) == 10


def tree(folder: Path, *classes: str, count: int = 2) -> Path:
    for i, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(np.full((8, 8), 16 * i + k, np.uint8)).save(folder / name / f"{k}.png")
    return folder


def test_parts_are_folders(root: Path) -> None:
    tree(root / "parts", "train/ant", "train/bee", "validation/cow", "test/dog/big", "test/owl")
    data = load("parts", "folders")
    assert data.table.class_names == ("test/dog/big", "test/owl", "train/ant", "train/bee", "validation/cow")
    assert (data.split.train, data.split.valid, data.split.test) == ((2, 3), (4,), (0, 1))
    assert data.dataset.remarks(root) == []
    (said,) = load("parts").dataset.remarks(root)
    assert "folders are called test, train, validation: split = 'folders' makes them the parts" in said


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("train/ant", "test/ant"), r"class 'ant' is in .*same.test and in .*same.train: parts share no class"),
        (("train/ant", "spare/bee"), r"same.spare.bee: split 'folders' expects class folders in folders called train"),
        (("train",), r"same.train: split 'folders' expects class folders"),
    ],
)
def test_folders_that_are_no_parts(root: Path, classes: tuple[str, ...], message: str) -> None:
    tree(root / "same", *classes)
    with pytest.raises(BenchbenchError, match=message):
        load("same", "folders")


def test_samples_of_the_same_classes_are_divided_by_folders(root: Path) -> None:
    tree(root / "both", "train/ant", "train/bee", "test/ant", "test/bee", count=5)
    data = load("both", "samples")
    assert (data.table.class_names, data.split.test) == (("ant", "bee"), (0, 1))
    # Sorted by name: test/ant 0-4, test/bee 5-9, train/ant 10-14, train/bee 15-19.
    assert data.split.test_rows == tuple(range(10))
    assert data.fingerprint != load("both").fingerprint
    target = Target(data, SampleSpec("image", (3, 8, 8)))
    division = target.division()
    assert sorted(division.test) == list(range(10))
    for part, size in ((division.fit, 4), (division.select, 1)):
        assert set(part.rows) <= set(range(10, 20))
        assert np.bincount(part.y).tolist() == [size, size]
        assert np.array_equal(part.y, (part.rows >= 15).astype(int))
    assert sorted([*division.fit.rows, *division.select.rows]) == list(range(10, 20))


def test_samples_need_the_same_classes(root: Path) -> None:
    tree(root / "both", "train/ant", "test/ant", "test/bee")
    with pytest.raises(BenchbenchError, match="expects the same classes in train and test; only one has: bee"):
        load("both", "samples")
    with pytest.raises(BenchbenchError, match=r"zoo.cats.lion: split 'samples' expects class folders"):
        load(split="samples")


def test_images_alone_are_unlabelled_data_to_train_on(root: Path) -> None:
    tree(root, "flat", count=5)
    data = load("flat")
    assert (data.table.class_names, len(data.table)) == (("unlabelled",), 5)
    assert (data.split.train, data.split.valid, data.split.test) == ((0,), (), ())


def test_a_path_from_home_or_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("MY_ANIMALS", "zoo")
    monkeypatch.delenv("BENCHBENCH_DATA")
    (root / "s.json").write_text('{"test": ["owl"]}')
    assert load("~/zoo", "~/s.json").split.test == (3,)
    assert len(load("$HOME/${MY_ANIMALS}").table) == 8


def test_a_file_name_that_is_not_utf8(root: Path) -> None:
    os.rename(root / "zoo/owl/0.png", os.fsdecode(bytes(root / "zoo/owl") + b"/\xfcber.png"))
    with pytest.raises(BenchbenchError, match=r"imagefolder: the name of .*owl/\ufffdber\.png is not UTF-8: rename it"):
        load()


def test_two_folders_of_one_name(root: Path) -> None:
    tree(root / "umlauts", "b\u00e4r", "ba\u0308r")
    with pytest.raises(BenchbenchError, match=r"two classes have the name .* one composed and one decomposed"):
        load("umlauts")


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
