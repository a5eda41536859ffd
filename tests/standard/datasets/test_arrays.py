"""Datasets that are published as arrays."""

import gzip
import io
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, DataMissing
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.datasets.mnist import MNIST
from benchbench_standard.datasets.quickdraw import QuickDraw
from benchbench_standard.datasets.tiered_imagenet import TieredImageNet


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty BENCHBENCH_DATA, and a cache beside it."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def load(name: str, **settings: object) -> Prepared:
    return prepare(resolve_component("dataset", name, settings))


def levels(*values: int, shape: tuple[int, ...] = (8, 8)) -> np.ndarray:
    """Images of one grey level each."""
    return np.stack([np.full(shape, v, np.uint8) for v in values])


def test_npz(root: Path) -> None:
    names = np.array(["ant", "bee", "unused"])
    np.savez(root / "mine.npz", images=levels(1, 2, 3), labels=np.array([1, 0, 1]), class_names=names)
    (root / "split.json").write_text(json.dumps({"train": ["ant"], "test": ["bee"]}))
    data = load("npz", path="mine.npz", split="split.json", size=8)
    assert data.table.class_names == ("ant", "bee")
    assert data.table.labels.tolist() == [1, 0, 1]
    assert data.table.x[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.table.files == ("mine.npz#0", "mine.npz#1", "mine.npz#2")
    assert (data.split.train, data.split.test) == ((0,), (1,))


def test_npz_in_colour_with_enlargement(root: Path) -> None:
    images = levels(7, 9, shape=(8, 8, 3))
    np.savez(root / "mine.npz", images=images, labels=np.array([0, 0]), class_names=np.array(["a"]))
    data = load("npz", path=str(root / "mine.npz"), size=16)
    assert data.table.shape == (3, 16, 16)
    assert data.split.test == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.full((2, 8, 8), 9, np.float32)}, r"images are float32 from 9 to 9: expected floats in \[0, 1\]"),
        ({"images": np.full((2, 8, 8), np.nan)}, "images are float64 from nan to nan"),
        ({"images": np.zeros((2, 8, 8), int)}, "images are int64, whose range is unknown"),
        ({"images": np.zeros((2, 3, 8, 4), np.uint8)}, "have their channels first or last"),
        ({"images": np.zeros((2, 8, 8, 2), np.uint8)}, r"expected images uint8 .*got uint8 \(2, 8, 8, 2\)"),
        ({"images": np.zeros((2, 8, 8, 4), np.uint8)}, "image 0 cannot be read: it is transparent throughout"),
        ({"labels": np.array([0, -1])}, "labels run from -1 to 0, but class_names has 2; leave unlabelled images out"),
        ({"labels": np.eye(2)}, r"expected labels of integers or text \(2,\), got float64 \(2, 2\)"),
        ({"labels": np.array(["a", " "])}, "a class has no name"),
        ({"class_names": np.array(["a", "a"])}, "class_names has 'a' 2 times"),
        ({"class_names": np.array("a")}, r"expected class_names \(K,\), got \(\)"),
        ({"labels": np.array([0, 3])}, "labels run from 0 to 3, but class_names has 2"),
        ({"labels": np.array([0])}, r"expected labels of integers or text \(2,\), got int64 \(1,\)"),
        ({"class_names": np.array([{}], object)}, "cannot be read: Object arrays cannot be loaded"),
    ],
)
def test_malformed_npz(root: Path, change: dict[str, np.ndarray], message: str) -> None:
    arrays = {"images": levels(1, 2), "labels": np.array([0, 1]), "class_names": np.array(["a", "b"])}
    np.savez(root / "mine.npz", **{**arrays, **change})  # type: ignore[arg-type]
    with pytest.raises(BenchbenchError, match=rf"dataset npz: .*mine\.npz.*{message}"):
        load("npz", path="mine.npz")


@pytest.mark.parametrize(
    "images",
    [
        np.array([0, 1, 2], np.uint8)[:, None, None] * np.full((8, 8), 100, np.uint8),
        np.array([0, 25700, 51400], np.uint16)[:, None, None] * np.ones((8, 8), np.uint16),
        (np.array([0, 100, 200])[:, None, None] * np.ones((8, 8)) / 255).astype(np.float32),
        np.array([0, 100, 200], np.uint8)[:, None, None, None] * np.ones((1, 8, 8), np.uint8),
        np.array([0, 100, 200], np.uint8)[:, None, None, None] * np.ones((3, 8, 8), np.uint8),
        np.array([0, 100, 200], np.uint8)[:, None, None, None] * np.ones((8, 8, 3), np.uint8),
        # Alpha: black ink of three densities, the densest first, laid on white.
        np.array([255, 155, 55], np.uint8)[:, None, None, None] * np.array([0, 0, 0, 1], np.uint8)
        * np.ones((8, 8, 1), np.uint8),
    ],
    ids=["bytes", "16 bits", "floats", "NCHW grey", "NCHW colour", "NHWC", "RGBA"],
)  # fmt: skip
def test_npz_in_other_forms_of_one_meaning(root: Path, images: np.ndarray) -> None:
    for labels, names in (
        (np.array([[1], [0], [1]]), {"class_names": np.array(["ant", "bee"])}),
        (np.array(["bee", "ant", "bee"]), {}),
        (np.array([b"bee", b"ant", b"bee"]), {}),
    ):
        np.savez(root / "mine.npz", images=images, labels=labels, **names)  # type: ignore[arg-type]
        data = load("npz", path="mine.npz", size=8)
        assert data.table.class_names == ("ant", "bee")
        assert data.table.labels.tolist() == [1, 0, 1]
        assert [np.unique(x).tolist() for x in data.table.x] == [[0], [100], [200]]


def test_npz_without_an_array_or_a_file(root: Path) -> None:
    np.savez(root / "mine.npz", images=levels(1), class_names=np.array(["a"]))
    with pytest.raises(BenchbenchError, match="has no array 'labels'; it has: images, class_names"):
        load("npz", path="mine.npz")
    with pytest.raises(DataMissing, match=r"dataset npz: no file .*none\.npz"):
        load("npz", path="none.npz")
    np.save(root / "one.npy", levels(1))
    (root / "one.npy").rename(root / "one.npz")
    with pytest.raises(BenchbenchError, match=r"one\.npz holds a single array: expected what np\.savez writes"):
        load("npz", path="one.npz")
    (root / "bad.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(BenchbenchError, match=r"bad\.npz cannot be read"):
        load("npz", path="bad.npz")


def test_medmnist(root: Path) -> None:
    (root / "medmnist").mkdir()
    arrays = {}
    for i, part in enumerate(("train", "val", "test")):
        arrays[f"{part}_images"] = levels(10 * i, 10 * i + 1, shape=(28, 28, 3))
        arrays[f"{part}_labels"] = np.array([[i], [10]], np.uint8)
    np.savez(root / "medmnist" / "pathmnist.npz", **arrays)  # type: ignore[arg-type]
    data = load("medmnist", subset="pathmnist")
    assert data.table.class_names == ("00", "01", "02", "10")
    assert data.table.x[:, 0, 0, 0].tolist() == [0, 1, 10, 11, 20, 21]
    assert data.table.files[3] == "medmnist/pathmnist.npz/val#1"
    assert data.split.test == (0, 1, 2, 3)


@pytest.mark.parametrize(("images", "labels"), [((2, 28, 28), (2, 14)), ((2, 28, 28, 28), (2, 1))])
def test_medmnist_with_many_labels_or_of_volumes(root: Path, images: tuple[int, ...], labels: tuple[int, ...]) -> None:
    (root / "medmnist").mkdir()
    both = {"train_images": np.zeros(images, np.uint8), "train_labels": np.zeros(labels, np.uint8)}
    np.savez(root / "medmnist" / "some.npz", **both)  # type: ignore[arg-type]
    with pytest.raises(BenchbenchError, match=r"dataset medmnist: .*some\.npz.*expected"):
        load("medmnist", subset="some")


def test_quickdraw_draws_the_same_sample_always(tmp_path: Path) -> None:
    (tmp_path / "quickdraw").mkdir()
    drawings = np.arange(50, dtype=np.uint8).repeat(784).reshape(50, 784)
    for name in ("axe", "ant"):
        np.save(tmp_path / "quickdraw" / f"{name}.npy", drawings)
    samples = list(QuickDraw(per_class=20, size=16).samples(tmp_path))
    assert [s.label for s in samples] == ["ant"] * 20 + ["axe"] * 20
    assert {s.x.shape for s in samples} == {(1, 16, 16)}
    # A sample's place in the file is its grey level here.
    places = [int(s.x[0, 0, 0]) for s in samples]
    assert [s.file for s in samples[:20]] == [f"quickdraw/ant.npy#{i}" for i in places[:20]]
    assert places[:20] == sorted(set(places[:20]))
    assert places[:20] != places[20:]
    assert [s.file for s in QuickDraw(per_class=20, size=16).samples(tmp_path)] == [s.file for s in samples]


def test_quickdraw_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "quickdraw").mkdir()
    np.save(tmp_path / "quickdraw" / "ant.npy", np.zeros((3, 100), np.uint8))
    with pytest.raises(BenchbenchError, match=r"ant\.npy: expected uint8 \(N, 784\), got uint8 \(3, 100\)"):
        list(QuickDraw().samples(tmp_path))


def idx(path: Path, x: np.ndarray) -> None:
    raw = struct.pack(">BBBB", 0, 0, 8, x.ndim) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_in_its_own_format(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, values, labels in (("train", (3, 4), (7, 0)), ("t10k", (5,), (7,))):
        idx(folder / f"{part}-images-idx3-ubyte{suffix}", levels(*values, shape=(28, 28)))
        idx(folder / f"{part}-labels-idx1-ubyte{suffix}", np.array(labels, np.uint8))
    samples = list(MNIST().samples(tmp_path))
    assert [(s.label, int(s.x[0, 9, 9]), s.x.shape) for s in samples] == [
        ("7", 3, (1, 28, 28)),
        ("0", 4, (1, 28, 28)),
        ("7", 5, (1, 28, 28)),
    ]
    (folder / f"t10k-labels-idx1-ubyte{suffix}").write_bytes(b"")
    with pytest.raises(BenchbenchError, match=r"t10k-labels-idx1-ubyte.* cannot be read"):
        list(MNIST().samples(tmp_path))


def test_mnist_in_class_folders(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "3").mkdir(parents=True)
    Image.new("L", (28, 28), 77).save(tmp_path / "mnist" / "3" / "test_1.png")
    (sample,) = MNIST(size=8).samples(tmp_path)
    assert (sample.label, sample.file, int(sample.x[0, 0, 0])) == ("3", "mnist/3/test_1.png", 77)


MNIST_FOLDER = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "mnist"


@pytest.mark.skipif(not MNIST_FOLDER.is_dir(), reason="needs BENCHBENCH_DATA with mnist")
def test_real_mnist() -> None:
    data = MNIST()
    items = data.items(MNIST_FOLDER.parent)
    assert sorted({item.label for item in items}) == list("0123456789")
    (sample,) = data.decode(items[0])
    assert sample.x.shape == (1, 28, 28)
    # Ink is white on black: most of a digit's picture is dark.
    assert sample.x.mean() < 100 < sample.x.max()


def png(level: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.new("RGB", (84, 84), (level, 0, 0)).save(buffer, "png")
    return np.frombuffer(buffer.getvalue(), np.uint8).copy()


def tiered(root: Path) -> Path:
    """The authors' six pickles: one category a part, two classes in train."""
    folder = root / "tiered-imagenet"
    folder.mkdir()
    for part, category, labels in (("train", "dog", [1, 0, 1]), ("val", "fish", [0]), ("test", "bird", [0])):
        known = {
            "label_specific": np.array(labels),
            "label_general": np.zeros(len(labels), np.int64),
            "label_specific_str": [f"{category} a", f"{category} b"],
            "label_general_str": [category],
        }
        (folder / f"{part}_labels.pkl").write_bytes(pickle.dumps(known, protocol=2))
        images = [png(10 + i) for i in range(len(labels))]
        (folder / f"{part}_images_png.pkl").write_bytes(pickle.dumps(images, protocol=2))
    return folder


def test_tiered_imagenet(root: Path) -> None:
    tiered(root)
    data = load("tiered-imagenet")
    assert data.table.class_names == ("bird/bird a", "dog/dog a", "dog/dog b", "fish/fish a")
    assert data.table.labels.tolist() == [2, 1, 2, 3, 0]
    assert data.table.x[:3, 0, 5, 5].tolist() == [10, 11, 12]
    assert (data.split.train, data.split.valid, data.split.test) == ((1, 2), (3,), (0,))


def test_a_pickle_that_would_run_code_is_refused(root: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(root / "written"), "w")  # type: ignore[return-value]

    folder = tiered(root)
    (folder / "train_labels.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BenchbenchError, match=r"train_labels\.pkl.*expected arrays only"):
        list(TieredImageNet().samples(root))
    assert not (root / "written").exists()


def album(root: Path, super_categories: bool) -> None:
    folder = root / "BRD_Mini"
    (folder / "images").mkdir(parents=True)
    for i in range(2):
        Image.new("RGB", (128, 128), (i, 0, 0)).save(folder / "images" / f"{i}.png")
    info = {
        "has_super_categories": super_categories,
        "image_column_name": "FILE_NAME",
        "category_column_name": "CATEGORY",
        "super_category_column_name": "SUPER_CATEGORY",
    }
    (folder / "info.json").write_text(json.dumps(info))
    (folder / "labels.csv").write_text("FILE_NAME,CATEGORY,SUPER_CATEGORY\n1.png,OWL,STRIGIDAE\n0.png,GULL,LARIDAE\n")


@pytest.mark.parametrize(("levels", "names"), [(True, ("LARIDAE/GULL", "STRIGIDAE/OWL")), (False, ("GULL", "OWL"))])
def test_meta_album(root: Path, levels: bool, names: tuple[str, ...]) -> None:
    album(root, levels)
    data = load("meta-album", path="BRD_Mini", size=16)
    assert data.table.class_names == names
    assert (data.table.x[:, 0, 0, 0].tolist(), data.table.labels.tolist()) == ([1, 0], [1, 0])
    assert data.table.files == ("images/1.png", "images/0.png")


def test_meta_album_classes_are_not_merged(root: Path) -> None:
    """A slash makes no level of the class tree, so that two names may become one."""
    album(root, True)
    table = "FILE_NAME,CATEGORY,SUPER_CATEGORY\n1.png,barn/owl,bird\n2.png,barn-owl,bird\n"
    (root / "BRD_Mini" / "labels.csv").write_text(table)
    with pytest.raises(
        BenchbenchError, match=r"labels\.csv: 'bird / barn/owl' and 'bird / barn-owl' would both be class"
    ):
        load("meta-album", path="BRD_Mini")


def test_meta_album_without_a_column(root: Path) -> None:
    album(root, True)
    (root / "BRD_Mini" / "labels.csv").write_text("FILE_NAME,KIND\n1.png,OWL\n")
    with pytest.raises(BenchbenchError, match=r"labels\.csv: has no column 'CATEGORY'"):
        load("meta-album", path="BRD_Mini")
