"""CIFAR-FS and FC100, from class folders and from torchvision's pickles."""

import json
import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from benchbench import DataMissing, SampleTable, tasks_folder
from benchbench_standard.datasets.cifar import CIFAR10, CIFAR100, CIFARFS, FC100

needs_data = pytest.mark.skipif(
    not (Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "cifar100").is_dir(),
    reason="needs BENCHBENCH_DATA with cifar100",
)


def table_of(names: tuple[str, ...]) -> SampleTable:
    """A table with these classes and no samples."""
    return SampleTable(np.zeros((0, 3, 32, 32), np.uint8), np.zeros(0, np.int64), names, "", "")


def test_reads_class_folders(tmp_path: Path) -> None:
    for name in ("apple", "bear"):
        (tmp_path / "cifar100" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "cifar100" / name / "train_0.png")
    samples = list(CIFARFS(size=16).samples(tmp_path))
    assert [(s.label, s.x.shape) for s in samples] == [("apple", (3, 16, 16)), ("bear", (3, 16, 16))]
    assert samples[0].x[:, 0, 0].tolist() == [255, 0, 0]
    assert samples[0].file == "cifar100/apple/train_0.png"


def pickles(root: Path) -> None:
    """torchvision's folder with two images in each file."""
    folder = root / "cifar-100-python"
    folder.mkdir()
    image = np.zeros((2, 3, 32, 32), np.uint8)
    image[:, 2] = 200
    for name in ("train", "test"):
        content = {"data": image.reshape(2, -1), "fine_labels": [1, 0]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "bear"]}))


@pytest.mark.parametrize("size", [32, 16])
def test_reads_torchvisions_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    pickles(tmp_path)
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5: True)
    samples = list(FC100(size=size).samples(tmp_path))
    assert [s.label for s in samples] == ["bear", "apple", "bear", "apple"]
    assert samples[0].x.shape == (3, size, size)
    assert samples[0].x[:, 5, 5].tolist() == [0, 0, 200]
    assert [s.file for s in samples[1:3]] == ["cifar-100-python/train#1", "cifar-100-python/test#0"]


def test_unverified_pickles_are_refused(tmp_path: Path) -> None:
    pickles(tmp_path)
    with pytest.raises(DataMissing, match="cifar-100-python"):
        list(CIFARFS().samples(tmp_path))


def test_cifar10_and_cifar100_are_targets(tmp_path: Path) -> None:
    (tmp_path / "cifar10" / "cat").mkdir(parents=True)
    Image.new("RGB", (32, 32), (0, 9, 0)).save(tmp_path / "cifar10" / "cat" / "1.png")
    (sample,) = CIFAR10().samples(tmp_path)
    assert (sample.label, sample.x[:, 3, 3].tolist()) == ("cat", [0, 9, 0])
    for dataset in (CIFAR10, CIFAR100):
        assert dataset().split(table_of(("a", "b"))).test == (0, 1)


def test_cifar10_needs_its_seven_files(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"\{batches\.meta,data_batch_1\.\.5,test_batch\}"):
        CIFAR10().sources(tmp_path)


def test_missing_data_says_where(tmp_path: Path) -> None:
    for root in (None, tmp_path):
        with pytest.raises(DataMissing, match="BENCHBENCH_DATA cifar100/CLASS"):
            CIFARFS().sources(root)


@pytest.mark.parametrize(("dataset", "sizes"), [(CIFARFS, (64, 16, 20)), (FC100, (60, 20, 20))])
def test_splits(dataset: type[CIFARFS | FC100], sizes: tuple[int, ...]) -> None:
    content = json.loads((tasks_folder() / "splits" / "cifar-fs.json").read_text("utf-8"))
    names = tuple(sorted(c for part in ("train", "valid", "test") for c in content[part]))
    split = dataset().split(table_of(names))
    assert (len(split.train), len(split.valid), len(split.test)) == sizes


@needs_data
@pytest.mark.parametrize("dataset", [CIFARFS, FC100])
def test_real_data(dataset: type[CIFARFS | FC100]) -> None:
    root = Path(os.environ["BENCHBENCH_DATA"])
    count = Counter(path.parent.name for path in dataset().sources(root))
    assert set(count.values()) == {600}
    split = dataset().split(table_of(tuple(sorted(count))))
    assert len(split.train) + len(split.valid) + len(split.test) == len(count) == 100
    first = next(dataset().samples(root))
    assert first.x.shape == (3, 32, 32)
