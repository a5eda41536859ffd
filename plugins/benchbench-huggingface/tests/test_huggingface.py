"""Folders of Hugging Face's datasets, as save_to_disk and the cache leave them."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from benchbench_huggingface import HuggingFace
from PIL import Image

from benchbench import BenchbenchError, DataMissing, SampleTable
from benchbench.testing import check_component


def held(values: tuple[int, ...], labels: tuple[int, ...]) -> datasets.Dataset:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.new("RGB", (8, 8), (v, 0, 0)) for v in values], "label": list(labels)}
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """saved/ by save_to_disk, and cache/ as the cache names its files, with the same three images."""
    parts = {"train": held((10, 20), (1, 0)), "test": held((30,), (1,))}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "cache").mkdir()
    for part, data in (("train-00000-of-00002", held((10,), (1,))), ("train-00001-of-00002", held((20,), (0,))),
                       ("test", parts["test"])):  # fmt: skip
        data.save_to_disk(str(tmp_path / "written" / part))
        (file,) = (tmp_path / "written" / part).glob("*.arrow")
        file.rename(tmp_path / "cache" / f"pets-{part}.arrow")
    return tmp_path


@pytest.mark.parametrize("folder", ["saved", "cache"])
def test_every_part_is_read(root: Path, folder: str) -> None:
    samples = list(HuggingFace(path=folder, size=8).samples(root))
    assert [(s.label, int(s.x[0, 0, 0]), s.file) for s in samples] == [
        ("dog", 30, "test#0"), ("dog", 10, "train#0"), ("cat", 20, "train#1"),
    ]  # fmt: skip
    assert samples[0].x.shape == (3, 8, 8)
    (grey, *_) = HuggingFace(path=folder, size=16, grey=True).samples(root)
    assert grey.x.shape == (1, 16, 16)
    assert int(grey.x[0, 0, 0]) == round(0.299 * 30)


@pytest.mark.parametrize("folder", ["saved", "cache"])
def test_it_conforms(root: Path, folder: str) -> None:
    card = check_component(HuggingFace, path=str(root / folder), size=8)
    assert card.conforms, card.text()


def test_faults_are_named(root: Path) -> None:
    with pytest.raises(BenchbenchError, match="no column 'labell'; did you mean 'label'"):
        list(HuggingFace(path="saved", label="labell").samples(root))
    with pytest.raises(BenchbenchError, match="column 'label' holds no images"):
        list(HuggingFace(path="saved", image="label").samples(root))
    with pytest.raises(DataMissing, match="absent: expected a folder written by save_to_disk"):
        HuggingFace(path="absent").sources(root)
    with pytest.raises(DataMissing, match=r"no split file .*none\.json"):
        HuggingFace(path="saved", split="none.json").split_sources(root)


def test_the_split_file_divides_classes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_DATA", str(root))
    (root / "split.json").write_text(json.dumps({"train": ["dog"], "test": ["cat"]}))

    class Table:
        class_names = ("cat", "dog")

    table: SampleTable = Table()  # type: ignore[assignment]
    split = HuggingFace(path="saved", split="split.json").split(table)
    assert (split.train, split.valid, split.test) == ((1,), (), (0,))
    assert HuggingFace(path="saved").split(table).test == (0, 1)
    (root / "split.json").write_text("[]")
    with pytest.raises(BenchbenchError, match="expected an object with lists of class names"):
        HuggingFace(path="saved", split="split.json").split(table)


def test_odd_images_are_read_as_they_are_seen(tmp_path: Path) -> None:
    """16 bits keep their greys, and a white icon on transparent paper stands on black."""
    icon = Image.new("LA", (8, 8), (255, 0))
    icon.putpixel((3, 4), (255, 255))
    wide = Image.fromarray(np.full((8, 8), 77 * 257, np.uint16))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    data = datasets.Dataset.from_dict({"image": [wide, icon], "label": [0, 1]}, features=features)
    data.save_to_disk(str(tmp_path / "odd"))
    first, second = HuggingFace(path="odd", size=8, grey=True).samples(tmp_path)
    assert np.unique(first.x).tolist() == [77]
    assert np.argwhere(second.x).tolist() == [[0, 4, 3]]
