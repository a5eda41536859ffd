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


def test_parquet_is_what_a_download_gives(tmp_path: Path) -> None:
    """As the hub's git repositories and its own conversion name them."""
    for folder, train in (("hub", "data/train-00000-of-00001-0123456789abcdef"), ("converted", "default/train/0000")):
        for part, values, labels in ((train, (10, 20), (1, 0)), (train.replace("train", "test"), (30,), (1,))):
            path = tmp_path / folder / f"{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            held(values, labels).to_parquet(str(path))
        samples = list(HuggingFace(path=folder, size=8).samples(tmp_path))
        assert [(s.label, int(s.x[0, 0, 0]), s.file) for s in samples] == [
            ("dog", 30, "test#0"), ("dog", 10, "train#0"), ("cat", 20, "train#1"),
        ]  # fmt: skip
    (tmp_path / "hub" / "extra").mkdir()
    held((1,), (0,)).to_parquet(str(tmp_path / "hub" / "extra" / "train.parquet"))
    with pytest.raises(BenchbenchError, match="several configurations: let 'path' name one of: data, extra"):
        HuggingFace(path="hub").sources(tmp_path)


@pytest.mark.parametrize("folder", ["saved", "cache"])
def test_what_a_map_left_beside_the_data_is_not_the_data(root: Path, folder: str) -> None:
    place = root / folder / "train" if folder == "saved" else root / folder
    before = HuggingFace(path=folder).sources(root)
    (place / "cache-0123456789abcdef.arrow").write_bytes(before[0].read_bytes())
    (place / "cache-0123_00000_of_00001.arrow").write_bytes(b"no arrow")
    assert HuggingFace(path=folder).sources(root) == before
    assert len(list(HuggingFace(path=folder, size=8).samples(root))) == 3


@pytest.mark.parametrize(("label", "shown"), [(-1, "-1"), (None, "None")])
def test_a_row_without_a_label_is_named_and_its_part_can_be_left_out(
    tmp_path: Path, label: int | None, shown: str
) -> None:
    data = {"train": held((10, 20), (1, 0)), "test": held((30, 40), (0, label))}  # type: ignore[arg-type]
    datasets.DatasetDict(data).save_to_disk(str(tmp_path / "pets"))
    with pytest.raises(BenchbenchError, match=rf"test#1, column 'label': the row has no label \({shown}\)"):
        list(HuggingFace(path="pets", size=8).samples(tmp_path))
    assert [s.label for s in HuggingFace(path="pets", size=8, parts=["train"]).samples(tmp_path)] == ["dog", "cat"]
    with pytest.raises(BenchbenchError, match="no part 'trian'; did you mean 'train'"):
        HuggingFace(path="pets", parts=["trian"]).sources(tmp_path)


def test_a_label_of_many_and_an_image_that_is_none_are_named(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Sequence(datasets.Value("int64"))})
    datasets.Dataset.from_dict({"image": [image], "label": [[1, 2]]}, features=features).save_to_disk(
        str(tmp_path / "many")
    )
    with pytest.raises(BenchbenchError, match="all#0, column 'label': expected a number or a name, got list"):
        list(HuggingFace(path="many").samples(tmp_path))
    broken = {"image": [{"bytes": b"no image", "path": None}, None], "label": [1, 1]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict(broken, features=features).save_to_disk(str(tmp_path / "broken"))
    data = HuggingFace(path="broken")
    for row, message in ((0, "all#0 cannot be read: cannot identify image file"), (1, "all#1 has no image")):
        with pytest.raises(BenchbenchError, match=message):
            list(data.decode(data.items(tmp_path)[row]))


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
