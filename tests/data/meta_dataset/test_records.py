"""From a prepared table to Meta-Dataset's record files and back."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import (
    BenchbenchError,
    ClassHierarchy,
    ClassSplit,
    DataMissing,
    VariableShape,
    export_records,
    read_spec,
)
from benchbench.components.reference import resolve_component
from benchbench.data.meta_dataset.example import Example, decode_example, encode_example
from benchbench.data.meta_dataset.pictures import encode_png
from benchbench.data.meta_dataset.tfrecord import read_tfrecord, write_tfrecord
from benchbench.data.prepare import Prepared, prepare
from benchbench.data.splits import PARTS, class_index, sources_of
from benchbench.episodes.variable import variable_episode

TREE = {"split": "meta-dataset", "size": 8}
DATA = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent")
#: The specifications that Meta-Dataset publishes.
SPECS = DATA / "splits" / "meta_dataset" / "dataset_specs"
needs_data = pytest.mark.skipif(
    not ((DATA / "omniglot-py").is_dir() and SPECS.is_dir()),
    reason="needs BENCHBENCH_DATA with omniglot-py and splits/meta_dataset",
)


def of_tree(**settings: object) -> Prepared:
    return prepare(resolve_component("dataset", "omniglot", TREE | settings))


def of_records(folder: Path, **settings: object) -> Prepared:
    fixed = {"source": folder.name, "size": 8, "grey": True}
    return prepare(resolve_component("dataset", "meta-dataset", fixed | settings))


def same_images(left: Prepared, right: Prepared) -> bool:
    """Whether both have the same classes in the same parts, with the same images in the same order."""
    assert left.table.class_names == right.table.class_names
    for part in PARTS:
        assert set(left.split.part(part)) == set(right.split.part(part))
        classes = left.split.part(part)
        rows = zip(*(class_index(d.table.labels, classes) for d in (left, right)), strict=True)
        if not all(np.array_equal(left.table.x[a], right.table.x[b]) for a, b in rows):
            return False
    return True


def same_episodes(left: Prepared, right: Prepared, count: int) -> bool:
    """Whether the same key gives episodes with the same images and labels from both."""
    for part in PARTS:
        sources = []
        for data in (left, right):
            index = class_index(data.table.labels, data.split.part(part))
            sources += sources_of(index, data.split, part)
        for i in range(count):
            a, b = (variable_episode("key", i, VariableShape(), source) for source in sources)
            for rows in ("support", "query"):
                if not np.array_equal(left.table.x[getattr(a, rows)], right.table.x[getattr(b, rows)]):
                    return False
                assert np.array_equal(getattr(a, rows + "_y"), getattr(b, rows + "_y"))
    return True


def test_omniglot_by_records_is_omniglot(records: Path) -> None:
    tree = of_tree()
    spec = export_records(tree, records, "omniglot")
    # Five characters of 25, 5 and 20 alphabets; ids by superclass, in the order of the published list.
    assert [spec.parts[p] for p in PARTS] == [125, 25, 100]
    assert spec.superclasses[:2] == (("Anglo-Saxon_Futhorc", 5), ("Arcadian", 5))
    assert spec.class_names[:2] == ("Anglo-Saxon_Futhorc/character01", "Anglo-Saxon_Futhorc/character02")
    read = of_records(records)
    assert same_images(tree, read)
    assert same_episodes(tree, read, 20)
    assert tree.table.x.std() > 10
    first = decode_example(next(read_tfrecord(records / "31.tfrecords")))
    assert first.label == 31


@needs_data
@pytest.mark.full
def test_the_real_omniglot_by_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    tree = of_tree(size=28)
    export_records(tree, tmp_path / "records" / "omniglot", "omniglot")
    content = json.loads((tmp_path / "records" / "omniglot" / "dataset_spec.json").read_text("utf-8"))
    published = json.loads((SPECS / "omniglot_dataset_spec.json").read_text("utf-8"))
    for key in ("superclasses_per_split", "classes_per_superclass", "images_per_class", "superclass_names"):
        assert content[key] == published[key], key
    names = {c: name.replace("/", "-") for c, name in content["class_names"].items()}
    assert names == published["class_names"]
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    read = prepare(resolve_component("dataset", "md-omniglot", {"size": 28, "grey": True}))
    assert same_images(tree, read)
    assert same_episodes(tree, read, 200)


def test_records_go_to_a_new_folder(records: Path) -> None:
    export_records(of_tree(), records)
    with pytest.raises(BenchbenchError, match="exists: records are written to a new folder"):
        export_records(of_tree(), records)


def test_some_images_of_each_class(records: Path) -> None:
    five = records.parent.parent / "imagefolder"
    export_records(_of_five(five), records)
    whole, some = of_records(records), of_records(records, per_class=2)
    assert np.bincount(whole.table.labels).tolist() == [5, 4]
    assert np.bincount(some.table.labels).tolist() == [2, 2]
    assert {x.tobytes() for x in some.table.x} < {x.tobytes() for x in whole.table.x}
    assert whole.fingerprint != some.fingerprint


def _of_five(folder: Path) -> Prepared:
    """Two test classes of five and four colour images."""
    for i in range(9):
        place = folder / "ab"[i // 5] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), (i, 20, 30), np.uint8)).save(place)
    return prepare(resolve_component("dataset", "imagefolder", {"path": str(folder), "size": 8}))


def test_colour_is_kept(records: Path) -> None:
    data = _of_five(records.parent.parent / "imagefolder")
    export_records(data, records)
    assert same_images(data, of_records(records, grey=False))


def test_missing_records_say_where(records: Path) -> None:
    with pytest.raises(DataMissing, match=rf"BENCHBENCH_DATA/records/{records.name}/dataset_spec.json and 0.tfrecords"):
        of_records(records)
    export_records(of_tree(), records)
    (records / "17.tfrecords").unlink()
    with pytest.raises(DataMissing, match=r"17.tfrecords: put it there"):
        of_records(records)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([encode_example(Example(encode_png(np.zeros((1, 8, 8), np.uint8)), 17))], "has 1 records, .* says 2"),
        ([b"\x08\x01"] * 2, "record 0 is no example with image and label"),
        ([encode_example(Example(b"no image", 17))] * 2, "record 0 cannot be read"),
        ([encode_example(Example(encode_png(np.zeros((1, 8, 8), np.uint8)), 3))] * 2, "has label 3, expected 17"),
    ],
)
def test_faulty_records_are_named(records: Path, content: list[bytes], message: str) -> None:
    export_records(of_tree(), records)
    write_tfrecord(records / "17.tfrecords", content)
    with pytest.raises(BenchbenchError, match=rf"17.tfrecords.*{message}"):
        of_records(records)


def test_an_export_that_fails_leaves_nothing(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = of_tree()
    monkeypatch.setattr("benchbench.data.meta_dataset.writer.encode_png", lambda x: encode_png(np.zeros((2, 8, 8))))
    with pytest.raises(BenchbenchError, match="images of 2 channels cannot be written"):
        export_records(tree, records)
    assert not [p for p in records.parent.iterdir() if records.name in p.name]


def test_a_class_graph_is_exported_by_its_leaves(records: Path) -> None:
    tree = of_tree()
    a, b = tree.split.train[0], tree.split.train[1]
    hierarchy = ClassHierarchy("dag", ((a, b), (b,)), (), ())
    split = ClassSplit((a, b), (), tree.split.test[:3], hierarchy=hierarchy)
    export_records(replace(tree, split=split), records)
    assert read_spec(records / "dataset_spec.json").split(tree.table.class_names) == split
