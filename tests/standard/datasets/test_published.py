"""Datasets of image files, each from a small tree in the layout in which its authors publish it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from benchbench import BenchbenchError, DataMissing, Dataset, Sample, SampleTable, tasks_folder
from benchbench.components.registry import find
from benchbench_standard.datasets.listed import class_name, published

#: Meta-Dataset's classes of train, valid and test (Triantafillou et al. 2020, appendix).
SPLITS = {
    "aircraft": (70, 15, 15),
    "cub": (140, 30, 30),
    "dtd": (33, 7, 7),
    "flowers": (71, 15, 16),
    "fungi": (994, 200, 200),
    "mscoco": (0, 40, 40),
    "quickdraw": (241, 52, 52),
    "traffic-sign": (0, 0, 43),
}


def dataset(name: str, **settings: object) -> Dataset:
    return find("dataset", name).load()(**settings)


def picture(path: Path, colour: tuple[int, int, int] = (9, 9, 9), size: tuple[int, int] = (16, 16)) -> Path:
    """A file of one colour; without loss where its format is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def text(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def split_of(data: Dataset, classes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    split = data.split(SampleTable(np.zeros((0, 3, 8, 8), np.uint8), np.zeros(0, np.int64), classes, "", ""))
    return tuple(tuple(classes[c] for c in split.part(part)) for part in ("train", "valid", "test"))


def shown(samples: Iterator[Sample]) -> list[tuple[str, str]]:
    return [(s.label, s.file) for s in samples]


@pytest.mark.parametrize("name", SPLITS)
def test_class_splits(name: str) -> None:
    lists = published(f"{name}-meta-dataset")
    classes = tuple(sorted(c for part in lists.values() for c in part))
    assert len(set(classes)) == len(classes) == sum(SPLITS[name])
    parts = split_of(dataset(name), classes)
    assert tuple(map(len, parts)) == SPLITS[name]
    assert [set(part) for part in parts] == [set(part) for part in lists.values()]


def test_ilsvrc_splits_by_its_class_graph() -> None:
    graph = json.loads((tasks_folder() / "splits" / "ilsvrc-2012-graph.json").read_text("utf-8"))["graph"]
    names = {c for nodes in graph.values() for below in nodes.values() for c in below if c not in nodes}
    table = SampleTable(np.zeros((0, 3, 8, 8), np.uint8), np.zeros(0, np.int64), tuple(sorted(names)), "", "")
    split = dataset("ilsvrc-2012").split(table)
    assert (len(split.train), len(split.valid), len(split.test)) == (712, 158, 130)
    assert split.hierarchy is not None
    assert [len(split.hierarchy.part(part)) for part in ("train", "valid", "test")] == [299, 42, 50]


@pytest.mark.parametrize(("name", "sizes"), [("cub-chen", (100, 50, 50)), ("mini-imagenet", (64, 16, 20))])
def test_other_class_splits(name: str, sizes: tuple[int, ...]) -> None:
    lists = published(name)
    assert tuple(map(len, lists.values())) == sizes
    assert len({c for part in lists.values() for c in part}) == sum(sizes)


def test_a_slash_makes_no_level_of_the_class_tree() -> None:
    assert class_name("F-16A/B") == "F-16A-B"
    assert "F-16A-B" in published("aircraft-meta-dataset")["train"]


def test_aircraft(tmp_path: Path) -> None:
    """Cut to the box, so the border below is gone."""
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    for name in ("0034309", "1025794", "0000001"):
        image = np.zeros((40, 60, 3), np.uint8)
        image[5:25, 10:50] = 200
        picture(data / "images" / f"{name}.jpg")
        Image.fromarray(image).save(data / "images" / f"{name}.jpg", quality=100, subsampling=0)
    text(data / "images_box.txt", "0034309 12 7 48 23\n1025794 12 7 48 23\n0000001 0 0 60 40\n")
    text(data / "images_variant_trainval.txt", "0034309 F-16A/B\n1025794 707-320\n")
    text(data / "images_variant_test.txt", "0000001 Falcon 2000\n")
    samples = list(dataset("aircraft", size=16).samples(tmp_path))
    assert [s.label for s in samples] == ["707-320", "F-16A-B", "Falcon 2000"]
    assert samples[0].file == "fgvc-aircraft-2013b/data/images/1025794.jpg"
    assert samples[0].x.shape == (3, 16, 16)
    assert samples[0].x.min() > 190
    assert samples[2].x.min() < 20


def test_cub(tmp_path: Path) -> None:
    folder = tmp_path / "CUB_200_2011"
    files = ["001.Black_footed_Albatross/a.jpg", "002.Laysan_Albatross/b.jpg"]
    for file in files:
        picture(folder / "images" / file)
    text(folder / "images.txt", "".join(f"{i} {file}\n" for i, file in enumerate(files, 1)))
    assert shown(dataset("cub").samples(tmp_path)) == [
        ("001.Black_footed_Albatross", "CUB_200_2011/images/001.Black_footed_Albatross/a.jpg"),
        ("002.Laysan_Albatross", "CUB_200_2011/images/002.Laysan_Albatross/b.jpg"),
    ]
    classes = tuple(sorted(c for part in published("cub-chen").values() for c in part))
    assert [len(part) for part in split_of(dataset("cub", split="chen"), classes)] == [100, 50, 50]


@pytest.mark.parametrize("folder", ["dtd", "dtd/dtd"])
def test_dtd(tmp_path: Path, folder: str) -> None:
    """As the archive has it and as torchvision unpacks it; a stray file is passed over."""
    for name in ("banded", "waffled"):
        picture(tmp_path / folder / "images" / name / f"{name}_0001.jpg")
    text(tmp_path / folder / "images" / "waffled" / ".directory", "stray")
    assert shown(dataset("dtd").samples(tmp_path)) == [
        ("banded", f"{folder}/images/banded/banded_0001.jpg"),
        ("waffled", f"{folder}/images/waffled/waffled_0001.jpg"),
    ]


@pytest.mark.parametrize(
    ("name", "folder"), [("crop-disease", "CropDisease/dataset/train"), ("eurosat", "eurosat/2750")]
)
def test_class_folders(tmp_path: Path, name: str, folder: str) -> None:
    picture(tmp_path / folder / "Forest" / "Forest_1.jpg")
    assert shown(dataset(name).samples(tmp_path)) == [("Forest", f"{folder}/Forest/Forest_1.jpg")]
    assert split_of(dataset(name), ("Forest", "River")) == ((), (), ("Forest", "River"))


def test_fungi(tmp_path: Path) -> None:
    """Both annotation files; two species of one name are two classes."""
    folder = tmp_path / "fungi"
    categories = [{"id": 0, "name": "Abortiporus biennis"}, {"id": 226, "name": "Abortiporus biennis"}]
    for name, number, category in (("train", 1, 226), ("val", 2, 0)):
        file = f"images/{category}/{number}.JPG"
        picture(folder / file)
        annotations = [{"image_id": number, "category_id": category}]
        images = [{"id": number, "file_name": file}]
        text(folder / f"{name}.json", {"categories": categories, "images": images, "annotations": annotations})
    assert shown(dataset("fungi").samples(tmp_path)) == [
        ("0226.Abortiporus biennis", "fungi/images/226/1.JPG"),
        ("0000.Abortiporus biennis", "fungi/images/0/2.JPG"),
    ]


def test_flowers(tmp_path: Path) -> None:
    folder = tmp_path / "flowers-102"
    for i in (1, 2, 3):
        picture(folder / "jpg" / f"image_{i:05d}.jpg")
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.array([[77, 1, 77]], np.uint8)})
    assert shown(dataset("flowers").samples(tmp_path)) == [
        ("077.passion flower", "flowers-102/jpg/image_00001.jpg"),
        ("001.pink primrose", "flowers-102/jpg/image_00002.jpg"),
        ("077.passion flower", "flowers-102/jpg/image_00003.jpg"),
    ]


def test_traffic_sign(tmp_path: Path) -> None:
    folder = tmp_path / "GTSRB" / "Final_Training" / "Images"
    picture(folder / "00014" / "00000_00000.ppm", (1, 2, 3))
    text(folder / "00014" / "GT-00014.csv", "Filename;Width\n")
    (sample,) = dataset("traffic-sign").samples(tmp_path)
    assert sample.label == "14.Stop"
    assert sample.x[:, 40, 40].tolist() == [1, 2, 3]


def test_mscoco(tmp_path: Path) -> None:
    """Boxes grow by a fifth and stay within the image; several objects share a file; an empty crop is left out."""
    folder = tmp_path / "coco"
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 30:50] = 250
    path = picture(folder / "train2017" / "000000000009.jpg")
    Image.fromarray(image).save(path, quality=100, subsampling=0)
    boxes = [(7, 18, [30, 20, 20, 20]), (5, 1, [70, 50, 30, 30]), (6, 1, [90, 70, 4, 4])]
    annotations = [{"id": i, "image_id": 9, "category_id": c, "bbox": box} for i, c, box in boxes]
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    text(folder / "annotations" / "instances_train2017.json", {"annotations": annotations, "categories": categories})
    person, dog = dataset("mscoco", size=25).samples(tmp_path)
    assert (person.label, dog.label) == ("person", "dog")
    # The dog's box from 30 to 50 grows to 28 and 52, whose pixel is still shown: 25 pixels, the dog in the middle 20.
    assert (dog.x[0, 12] > 200).tolist() == [False] * 2 + [True] * 20 + [False] * 3
    assert person.x.max() < 20
    assert person.file == "coco/train2017/000000000009.jpg"


def duplicates(folder: Path, skipped: str = "") -> None:
    for other in ("Caltech101", "Caltech256", "CUBirds"):
        text(folder / f"ImageNet_{other}_duplicates.txt", f"## File name in ImageNet  # in {other}\n{skipped}")


def test_ilsvrc(tmp_path: Path) -> None:
    """What other datasets hold too is left out."""
    for name in ("n01531178_1.JPEG", "n01531178_12730.JPEG"):
        picture(tmp_path / "imagenet" / "train" / "n01531178" / name)
    duplicates(tmp_path / "imagenet", "n01531178/n01531178_12730.JPEG  # American_Goldfinch_0062_31921.jpg\n")
    data = dataset("ilsvrc-2012")
    assert shown(data.samples(tmp_path)) == [("n01531178", "imagenet/train/n01531178/n01531178_1.JPEG")]
    assert len(data.sources(tmp_path)) == 4


def test_mini_imagenet(tmp_path: Path) -> None:
    folder = tmp_path / "mini-imagenet"
    for part, file, label in (
        ("train", "n0153282900000005.jpg", "n01532829"),
        ("val", "n0185567200000003.jpg", "n01855672"),
    ):
        picture(folder / "images" / file)
        text(folder / f"{part}.csv", f"filename,label\n{file},{label}\n")
    text(folder / "test.csv", "filename,label\n")
    assert shown(dataset("mini-imagenet").samples(tmp_path)) == [
        ("n01532829", "mini-imagenet/images/n0153282900000005.jpg"),
        ("n01855672", "mini-imagenet/images/n0185567200000003.jpg"),
    ]


def test_isic(tmp_path: Path) -> None:
    for i in (1, 2):
        picture(tmp_path / "ISIC" / "ISIC2018_Task3_Training_Input" / f"ISIC_{i}.jpg")
    truth = (
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_1,0.0,1.0,0.0,0.0,0.0,0.0,0.0\nISIC_2,0.0,0.0,0.0,0.0,0.0,0.0,1.0\n"
    )
    name = "ISIC2018_Task3_Training_GroundTruth"
    text(tmp_path / "ISIC" / name / f"{name}.csv", truth)
    assert [s.label for s in dataset("isic").samples(tmp_path)] == ["NV", "VASC"]


def test_chestx(tmp_path: Path) -> None:
    """One finding, of the seven; grey."""
    findings = ["Effusion", "Effusion|Mass", "No Finding", "Pneumonia", "Hernia", "Mass"]
    rows = "".join(f"{i}.png,{finding},x\n" for i, finding in enumerate(findings))
    text(tmp_path / "chestX" / "Data_Entry_2017.csv", f"Image Index,Finding Labels,Follow-up #\n{rows}")
    for i in range(len(findings)):
        picture(tmp_path / "chestX" / "images" / f"{i}.png", (i, i, i))
    samples = list(dataset("chestx", size=8).samples(tmp_path))
    assert [(s.label, s.x.shape, int(s.x[0, 0, 0])) for s in samples] == [
        ("Effusion", (1, 8, 8), 0),
        ("Mass", (1, 8, 8), 5),
    ]


LISTED = ["aircraft", "chestx", "crop-disease", "cub", "dtd", "eurosat", "flowers", "fungi", "ilsvrc-2012", "isic"]
LISTED += ["mini-imagenet", "mscoco", "traffic-sign"]
OTHERS = ["cifar10", "cifar100", "mnist", "omniglot", "quickdraw", "tiered-imagenet"]


@pytest.mark.parametrize("name", [*LISTED, *OTHERS])
def test_missing_files_are_named_with_their_place(name: str, tmp_path: Path) -> None:
    data = dataset(name)
    place = data.expects.split("/")[0]
    for root in (None, tmp_path):
        with pytest.raises(DataMissing, match=f"dataset {name}: expected .*BENCHBENCH_DATA.*{place}"):
            data.sources(root)


@pytest.mark.parametrize("name", [*LISTED, *OTHERS, "meta-album", "medmnist", "npz", "digits", "glyphs"])
def test_every_dataset_states_its_terms(name: str) -> None:
    data = find("dataset", name).load()
    assert data.licence or name == "npz"
    assert data.homepage.startswith("http") or name == "npz"


def test_mini_imagenet_by_the_lists_of_easyfsl(tmp_path: Path) -> None:
    """Their columns have other names and another order; Excel puts a byte-order mark before them."""
    folder = tmp_path / "mini-imagenet"
    picture(folder / "images" / "n01532829_1.jpg")
    for part in ("train", "val", "test"):
        row = "n01532829,n01532829_1.jpg\n" if part == "val" else ""
        text(folder / f"{part}.csv", f"\ufeffclass_name,image_name\n{row}")
    (sample,) = dataset("mini-imagenet").samples(tmp_path)
    assert (sample.label, sample.file) == ("n01532829", "mini-imagenet/images/n01532829_1.jpg")
    text(folder / "val.csv", "name,class\nx.jpg,y\n")
    with pytest.raises(BenchbenchError, match=r"val\.csv: has no column 'filename' or 'image_name'"):
        dataset("mini-imagenet").sources(tmp_path)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("cub", {"CUB_200_2011/images.txt": "1\n"}),
        ("aircraft", {"images_box.txt": "1 2 3\n", "images_variant_trainval.txt": "", "images_variant_test.txt": ""}),
        ("isic", {"ISIC2018_Task3_Training_GroundTruth.csv": "image,MEL,NV\nISIC_1,much,0\n"}),
        ("fungi", {"train.json": '{"categories": [{"id": 1}]}', "val.json": "{}"}),
        ("mscoco", {"instances_train2017.json": "[]"}),
    ],
)
def test_annotations_that_are_not_as_published_are_named(name: str, files: dict[str, str], tmp_path: Path) -> None:
    data = dataset(name)
    for needed in data.annotations:
        (given,) = [content for file, content in files.items() if file.endswith(needed.split("/")[-1])]
        text(tmp_path / data.folders[0] / needed, given)
    with pytest.raises(
        BenchbenchError, match=rf"^dataset {name}: .*: expected .* as published: [A-Z]\w+Error: [^\n]+$"
    ):
        data.items(tmp_path)


@pytest.mark.parametrize("name", ["mini-imagenet", "tiered-imagenet"])
def test_what_cannot_be_downloaded_says_where_it_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"https://"):
        dataset(name).sources(tmp_path)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "eurosat" / "2750" / "Forest" / "Forest_1.jpg", size=(64, 64))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BenchbenchError, match=r"Forest_1\.jpg cannot be read"):
        list(dataset("eurosat").samples(tmp_path))


def test_a_listed_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    from benchbench.data.digests import signature

    text(tmp_path / "CUB_200_2011" / "images.txt", "1 001.Black_footed_Albatross/a.jpg\n")
    files = dataset("cub").sources(tmp_path)
    with pytest.raises(DataMissing, match=r"dataset cub: .*Albatross/a\.jpg cannot be read"):
        signature(files, "cub")
