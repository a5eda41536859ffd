"""dataset_spec.json in its three classes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchbench import BenchbenchError, ClassHierarchy, read_spec, tasks_folder
from benchbench.data.hierarchy import spanned_leaves
from benchbench.data.splits import PARTS

OFFICIAL = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "splits" / "meta_dataset" / "dataset_specs"
#: Classes of train, valid and test, and images: the paper's table 1 and appendix.
PUBLISHED = {
    "ilsvrc_2012": ((712, 158, 130), (915_249, 199_833, 165_682)),
    "omniglot": ((883, 81, 659), (17_660, 1_620, 13_180)),
    "aircraft": ((70, 15, 15), (7_000, 1_500, 1_500)),
    "cu_birds": ((140, 30, 30), (8_239, 1_779, 1_770)),
    "dtd": ((33, 7, 7), (3_960, 840, 840)),
    "quickdraw": ((241, 52, 52), (34_776_331, 7_939_640, 7_710_295)),
    "fungi": ((994, 200, 200), (64_449, 12_195, 13_116)),
    "vgg_flower": ((71, 15, 16), (5_655, 1_109, 1_425)),
    "traffic_sign": ((0, 0, 43), (0, 0, 39_209)),
    "mscoco": ((0, 40, 40), (0, 513_021, 346_980)),
}


def flat() -> dict[str, Any]:
    return {
        "name": "toys",
        "classes_per_split": {"TRAIN": 2, "VALID": 0, "TEST": 1},
        "images_per_class": {"2": 7, "0": 5, "1": 6},
        "class_names": {"0": "zebra", "1": "ant", "2": "cat"},
        "path": "toys",
        "file_pattern": "{}.tfrecords",
        "__class__": "DatasetSpecification",
    }


def bilevel() -> dict[str, Any]:
    return {
        "name": "letters",
        "superclasses_per_split": {"TRAIN": 1, "VALID": 1, "TEST": 1},
        "classes_per_superclass": {"0": 2, "1": 1, "2": 2},
        "images_per_class": {str(c): 20 for c in range(5)},
        "superclass_names": {"0": "Greek", "1": "Latin", "2": "Angelic"},
        "class_names": dict(zip("01234", ("Greek/a", "Greek/b", "Latin/a", "Angelic/b", "Angelic/a"), strict=True)),
        "path": "letters",
        "file_pattern": "{}.tfrecords",
        "__class__": "BiLevelDatasetSpecification",
    }


def graph() -> dict[str, Any]:
    def node(name: str, children: list[str], parents: list[str]) -> dict[str, Any]:
        return {"wn_id": name, "words": name, "children_ids": children, "parents_ids": parents}

    train = [node("n1", ["n2", "n8"], []), node("n2", ["n8", "n9"], ["n1"]), node("n8", [], ["n1", "n2"])]
    return {
        "name": "net",
        "split_subgraphs": {"TRAIN": [*train, node("n9", [], ["n2"])], "VALID": [], "TEST": [node("n7", [], [])]},
        "images_per_class": {"TRAIN": {"n1": 7, "n2": 7, "n8": 3, "n9": 4}, "VALID": {}, "TEST": {"n7": 2}},
        "class_names": {"0": "n8", "1": "n9", "2": "n7"},
        "path": "net",
        "file_pattern": "{}.tfrecords",
        "__class__": "HierarchicalDatasetSpecification",
    }


def written(content: object, folder: Path) -> Path:
    path = folder / "dataset_spec.json"
    path.write_text(json.dumps(content))
    return path


def test_flat(tmp_path: Path) -> None:
    spec = read_spec(written(flat(), tmp_path))
    assert (spec.images, spec.ids("train"), spec.ids("test")) == ((5, 6, 7), range(2), range(2, 3))
    # In the order of the official ids, whatever the table's is.
    split = spec.split(("ant", "cat", "zebra"))
    assert (split.train, split.valid, split.test, split.hierarchy) == ((2, 0), (), (1,), None)


def test_bilevel(tmp_path: Path) -> None:
    split = read_spec(written(bilevel(), tmp_path)).split(("Angelic/a", "Angelic/b", "Greek/a", "Greek/b", "Latin/a"))
    assert (split.train, split.valid, split.test) == ((2, 3), (4,), (1, 0))
    assert split.hierarchy == ClassHierarchy("bilevel", ((2, 3),), ((4,),), ((1, 0),))


def test_graph(tmp_path: Path) -> None:
    spec = read_spec(written(graph(), tmp_path))
    assert spec.images == (3, 4, 2)
    split = spec.split(("n7", "n8", "n9"))
    assert (split.train, split.test) == ((1, 2), (0,))
    # n1 is above n8 and n9, n2 too; the test part has no internal node.
    assert split.hierarchy == ClassHierarchy("dag", ((1, 2), (1, 2)), (), ())


@pytest.mark.parametrize("make", [flat, bilevel, graph])
def test_what_is_written_is_read(make: Any, tmp_path: Path) -> None:
    spec = read_spec(written(make(), tmp_path))
    content = spec.as_json()
    assert content == make()
    assert read_spec(written(content, tmp_path)) == spec


FAULTS = {
    "class": ({"__class__": "BilevelDatasetSpecification"}, "did you mean 'BiLevelDatasetSpecification'?"),
    "missing key": ({"class_names": None}, "expected a dataset_spec.json"),
    "counts": (
        {"classes_per_split": {"TRAIN": 2, "VALID": 0, "TEST": 2}},
        "its parts have 4 classes, its class_names 3",
    ),
    "no images": ({"images_per_class": {"0": 1}}, "key '1' is missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str, tmp_path: Path) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(BenchbenchError, match=r"dataset_spec.json: ") as raised:
        read_spec(written(flat() | change, tmp_path))
    assert message in str(raised.value)


def test_the_packaged_graph_has_the_published_counts() -> None:
    content = json.loads((tasks_folder() / "splits" / "ilsvrc-2012-graph.json").read_text("utf-8"))
    classes, images = PUBLISHED["ilsvrc_2012"]
    assert tuple(len(content["images"][p]) for p in PARTS) == classes
    assert tuple(sum(content["images"][p].values()) for p in PARTS) == images
    roots = {"valid": "n02075296", "test": "n03183080"}
    for part in PARTS:
        spans = spanned_leaves(content["graph"][part])
        assert set().union(*spans.values()) == set(content["images"][part])
        assert part == "train" or spans[roots[part]] == set(content["images"][part])


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="needs BENCHBENCH_DATA with splits")
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_official_specifications(name: str) -> None:
    spec = read_spec(OFFICIAL / f"{name}_dataset_spec.json")
    classes, images = PUBLISHED[name]
    assert tuple(spec.parts[p] for p in PARTS) == classes
    assert tuple(sum(spec.images[c] for c in spec.ids(p)) for p in PARTS) == images
    content = json.loads((OFFICIAL / f"{name}_dataset_spec.json").read_text("utf-8"))
    ours = spec.as_json()
    for key in set(content) - {"path", "split_subgraphs"}:
        assert ours[key] == content[key], key


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="needs BENCHBENCH_DATA with splits")
def test_imagenets_official_graph() -> None:
    spec = read_spec(OFFICIAL / "ilsvrc_2012_dataset_spec.json")
    hierarchy = spec.split(spec.class_names).hierarchy
    assert hierarchy is not None
    packaged = json.loads((tasks_folder() / "splits" / "ilsvrc-2012-graph.json").read_text("utf-8"))
    ids = {name: c for c, name in enumerate(spec.class_names)}
    for part, internal, eligible in (("train", 299, 113), ("valid", 42, 18), ("test", 50, 15)):
        groups = hierarchy.part(part)
        chosen = [g for g in groups if 5 <= len(g) <= 392]
        assert (len(groups), len(chosen)) == (internal, eligible)
        assert {c for g in chosen for c in g} == set(spec.ids(part))
        assert groups == ClassHierarchy.of_graph({part: packaged["graph"][part]}, ids).part(part)
