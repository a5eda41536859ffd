"""Annotated datasets: boxes and masks that belong to their images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, DataMissing, Sample
from benchbench.components.reference import resolve_component
from benchbench.data.modality import modality_named
from benchbench.data.prepare import prepare
from benchbench.data.table_writing import write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_glyph_scenes_have_exact_boxes_and_masks(root: Path) -> None:
    data = prepare(resolve_component("dataset", "glyph-scenes", {"scenes": 40}))
    assert data.table.shape == (1, 64, 64)
    assert data.table.boxes is not None
    assert data.table.masks is not None
    assert sum(map(len, data.table.boxes)) > 60
    kinds = set()
    for x, held, mask in zip(data.table.x, data.table.boxes, data.table.masks, strict=True):
        inside = np.zeros((64, 64), bool)
        for kind, left, top, right, bottom in held.astype(int):
            part = mask[top:bottom, left:right] == kind + 1
            # The box is the extent of its own letter: every side of it touches ink.
            assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()  # noqa: PT018
            inside[top:bottom, left:right] = True
            kinds.add(int(kind))
        assert not mask[~inside].any()
        if len(held):
            assert x[0][mask > 0].mean() > x[0][mask == 0].mean() + 30
    assert kinds == set(range(6)) == set(range(len(data.dataset.object_names)))


def penn_fudan(root: Path) -> None:
    for folder in ("PNGImages", "PedMasks"):
        (root / "PennFudanPed" / folder).mkdir(parents=True)
    for i in range(4):
        mask = np.zeros((50, 100), np.uint8)
        mask[10:30, 20:40], mask[5:50, 60:80] = 1, 2
        Image.new("RGB", (100, 50), (i, 0, 0)).save(root / f"PennFudanPed/PNGImages/P{i}.png")
        Image.fromarray(mask).save(root / f"PennFudanPed/PedMasks/P{i}_mask.png")


def test_penn_fudan(root: Path) -> None:
    penn_fudan(root)
    data = prepare(resolve_component("dataset", "penn-fudan", {"size": 50}))
    assert data.table.shape == (3, 50, 50)
    assert data.table.files[0] == "PennFudanPed/PNGImages/P0.png"
    assert data.table.boxes is not None
    # 100 x 50 becomes 50 x 50: widths are halved.
    assert data.table.boxes[0].tolist() == [[0, 10, 10, 20, 30], [0, 30, 5, 40, 50]]
    assert data.table.masks is not None
    assert int(data.table.masks[0].sum()) == 10 * 20 + 10 * 45
    (root / "PennFudanPed/PedMasks/P2_mask.png").unlink()
    with pytest.raises(
        BenchbenchError, match=r"PNGImages/P2.png has no mask, expected PennFudanPed/PedMasks/P2_mask.png"
    ):
        prepare(resolve_component("dataset", "penn-fudan", {"size": 50}))


OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult>"
    "<bndbox><xmin>11</xmin><ymin>1</ymin><xmax>20</xmax><ymax>40</ymax></bndbox></object>"
)


def pascal_voc(root: Path, *objects: str) -> None:
    base = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    (base / "ImageSets/Main/trainval.txt").write_text("a\nb\nc\n")
    (base / "ImageSets/Segmentation/trainval.txt").write_text("a\n")
    for name in "abc":
        Image.new("RGB", (40, 40)).save(base / f"JPEGImages/{name}.jpg")
        (base / f"Annotations/{name}.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 10:20], mask[:, 20] = 8, 255
    palette = Image.fromarray(mask, "P")
    palette.putpalette([value % 256 for value in range(768)])
    palette.save(base / "SegmentationClass/a.png")


def test_pascal_voc(root: Path) -> None:
    pascal_voc(root, OBJECT.format("cat", 0), OBJECT.format("dog", 1))
    data = prepare(resolve_component("dataset", "pascal-voc", {"size": 40}))
    assert data.table.masks is not None
    assert data.table.boxes is not None
    # Pixels count from 1 there; the dog is difficult.
    assert data.table.boxes[0].tolist() == [[7, 10, 0, 20, 40]]
    assert np.unique(data.table.masks[0]).tolist() == [0, 8, 255]
    assert data.dataset.object_names[7] == "cat"
    detection = prepare(resolve_component("dataset", "pascal-voc", {"size": 40, "images": "detection"}))
    assert (len(detection.table), detection.table.masks) == (3, None)


def test_what_is_missing_or_wrong_is_named(root: Path) -> None:
    for name in ("penn-fudan", "pascal-voc"):
        with pytest.raises(DataMissing, match=f"dataset {name}: .*BENCHBENCH_DATA"):
            prepare(resolve_component("dataset", name))
    pascal_voc(root, OBJECT.format("cta", 0))
    with pytest.raises(BenchbenchError, match=r"a.xml: unknown object 'cta'; did you mean 'cat'"):
        prepare(resolve_component("dataset", "pascal-voc"))
    (root / "VOCdevkit/VOC2012/JPEGImages/a.jpg").unlink()
    with pytest.raises(BenchbenchError, match=r"names an image without VOCdevkit/VOC2012/JPEGImages/a.jpg"):
        prepare(resolve_component("dataset", "pascal-voc"))


def test_annotations_must_fit_the_images(tmp_path: Path) -> None:
    x, none, images = np.zeros((1, 4, 4), np.uint8), np.zeros((0, 5), np.float32), modality_named("image")
    with pytest.raises(BenchbenchError, match="expected a mask uint8"):
        write(tmp_path, [Sample(x, "a", mask=np.zeros((3, 4), np.uint8))], "here", images)
    with pytest.raises(BenchbenchError, match="some samples have a mask and others none"):
        write(tmp_path, [Sample(x, "a", mask=x[0]), Sample(x, "a")], "here", images)
    with pytest.raises(BenchbenchError, match="some samples have boxes and others none"):
        write(tmp_path, [Sample(x, "a", boxes=none), Sample(x, "a")], "here", images)
