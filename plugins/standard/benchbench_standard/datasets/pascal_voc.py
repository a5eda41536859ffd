from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

import numpy as np
from pydantic import Field

from benchbench import (
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    Sample,
    SampleTable,
    data_root,
    read_text,
    suggest,
)
from benchbench_standard.datasets.annotated import photograph
from benchbench_standard.datasets.images import opened

NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class PascalVOC(Dataset):
    """Pascal VOC (Everingham et al. 2010), 20 kinds of objects, in its devkit's layout: the ``trainval`` list of a
    `year`'s detection task, with boxes, or of its segmentation task, with boxes and masks, as `images` says, brought
    to `size` pixels a side. Objects that are marked difficult are left out of the boxes. A target for detection and
    segmentation."""

    licence = "flickr's terms of use, each photograph its own"
    citation = "Everingham, Van Gool, Williams, Winn & Zisserman 2010, The Pascal Visual Object Classes Challenge"
    homepage = "http://host.robots.ox.ac.uk/pascal/VOC/"
    expects = "VOCdevkit/VOC2012/{JPEGImages,Annotations,SegmentationClass,ImageSets}"
    object_names = NAMES

    def __init__(
        self,
        *,
        year: Literal["2007", "2012"] = "2012",
        images: Literal["detection", "segmentation"] = "segmentation",
        size: Annotated[int, Field(ge=32)] = 224,
    ):
        self.images, self.size = images, size
        self.folder = f"VOCdevkit/VOC{year}"

    def sources(self, root: Path | None) -> list[Path]:
        """The list and the files of every image on it."""
        names = self.items(root)
        files = [self._list(), *(file for name in names for file in self._files(name))]
        return [(root or Path()) / file for file in files]

    def items(self, root: Path | None) -> Sequence[str]:
        """The names on the list."""
        if root is None or not (root / self._list()).is_file():
            raise DataMissing(
                f"dataset pascal-voc: no {self._list()} below BENCHBENCH_DATA: expected {self.expects} "
                f"({self.homepage})"
            )
        names = [line.split()[0] for line in read_text(root / self._list()).splitlines() if line.strip()]
        for file in (f for name in names for f in self._files(name)):
            if not (root / file).is_file():
                raise BenchbenchError(f"dataset pascal-voc: {self._list()} names an image without {file}")
        return names

    def decode(self, item: str) -> Iterable[Sample]:
        """One photograph with its boxes, and its mask where it is of the segmentation task."""
        root = data_root() or Path()
        image_file, boxes_file, *mask_file = self._files(item)
        boxes = np.array(_objects(root / boxes_file), np.float64)
        if not mask_file:
            yield photograph(root / image_file, self.size, image_file, boxes, None)
            return
        with opened(root / mask_file[0]) as mask:
            # A palette's indices are the classes, 255 the borders that do not count.
            yield photograph(root / image_file, self.size, image_file, boxes, np.asarray(mask))

    def split(self, table: SampleTable) -> ClassSplit:
        """All photographs are for testing; protocols divide them."""
        return ClassSplit(test=(0,))

    def _list(self) -> str:
        return f"{self.folder}/ImageSets/{'Main' if self.images == 'detection' else 'Segmentation'}/trainval.txt"

    def _files(self, name: str) -> list[str]:
        files = [f"{self.folder}/JPEGImages/{name}.jpg", f"{self.folder}/Annotations/{name}.xml"]
        return files + ([f"{self.folder}/SegmentationClass/{name}.png"] if self.images == "segmentation" else [])


def _objects(path: Path) -> list[list[float]]:
    """Boxes of an annotation file; VOC counts pixels from 1 and includes the last one."""
    boxes = []
    try:
        for thing in ElementTree.parse(path).iter("object"):
            if thing.findtext("difficult") == "1":
                continue
            name = thing.findtext("name") or ""
            if name not in NAMES:
                raise BenchbenchError(f"dataset pascal-voc: {path}: unknown object {name!r}{suggest(name, NAMES)}")
            left, top, right, bottom = (
                float(thing.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")
            )
            boxes.append([NAMES.index(name), left - 1, top - 1, right, bottom])
    except (ElementTree.ParseError, ValueError) as error:
        raise BenchbenchError(f"dataset pascal-voc: {path} cannot be read: {error}") from None
    return boxes
