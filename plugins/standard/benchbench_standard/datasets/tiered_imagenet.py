import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable, read_picture
from benchbench_standard.datasets.images import resized
from benchbench_standard.datasets.listed import class_name

PARTS = {"train": "train", "valid": "val", "test": "test"}


class _Item(NamedTuple):
    png: np.ndarray
    label: str
    file: str


class TieredImageNet(Dataset):
    """tieredImageNet (Ren et al. 2018): 608 classes of ImageNet in 34 categories, 779,165 images of 84 pixels, from
    the authors' pickles. A class is ``CATEGORY/CLASS``; the 351/97/160 split leaves no category in two parts.

    Images are resized to `size` pixels a side. The pickles hold compressed images and are read whole: preparing takes
    as much memory as they are large (13 GB).
    """

    licence = "ImageNet's terms of access: non-commercial research and education"
    citation = "Ren et al. 2018, Meta-Learning for Semi-Supervised Few-Shot Classification, arXiv 1803.00676"
    homepage = "https://github.com/renmengye/few-shot-ssl-public"
    expects = (
        "tiered-imagenet/{train,val,test}_images_png.pkl and _labels.pkl, unpacked from tiered-imagenet.tar, to which "
        "https://github.com/renmengye/few-shot-ssl-public links"
    )

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 84):
        self.size = size

    def sources(self, root: Path | None) -> list[Path]:
        """The six pickles."""
        names = [f"{part}_{what}.pkl" for part in PARTS.values() for what in ("images_png", "labels")]
        files = [root / "tiered-imagenet" / name for name in names] if root else []
        if not files or not all(path.is_file() for path in files):
            raise DataMissing(f"dataset tiered-imagenet: expected below BENCHBENCH_DATA {self.expects}")
        return files

    def items(self, root: Path | None) -> Sequence[_Item]:
        """Every image as PNG, train, validation and test in turn."""
        files = self.sources(root)
        return [item for images, labels in zip(files[::2], files[1::2], strict=True) for item in _part(images, labels)]

    def decode(self, item: _Item) -> Iterator[Sample]:
        """The image, resized to `size`."""
        picture = read_picture(item.png.tobytes(), where=f"dataset tiered-imagenet: {item.file}")
        yield Sample(resized(np.asarray(picture), self.size), item.label, item.file)

    def split(self, table: SampleTable) -> ClassSplit:
        """The part of a class is that of the file it came from."""
        part_of = {c: file.split("/")[-1].split("_")[0] for c, file in zip(table.labels, table.files, strict=True)}
        return ClassSplit(**{p: tuple(sorted(int(c) for c, f in part_of.items() if f == n)) for p, n in PARTS.items()})


def _part(images: Path, labels: Path) -> Iterator[_Item]:
    try:
        known = _load(labels)
        names, above = known["label_specific_str"], known["label_general_str"]
        pairs = zip(_load(images), known["label_specific"], known["label_general"], strict=True)
        for i, (png, specific, general) in enumerate(pairs):
            label = f"{class_name(str(above[general]))}/{class_name(str(names[specific]))}"
            yield _Item(np.asarray(png), label, f"tiered-imagenet/{images.name}#{i}")
    except (pickle.UnpicklingError, KeyError, ValueError, IndexError, EOFError) as error:
        raise BenchbenchError(f"dataset tiered-imagenet: {labels} or {images.name}: {error}") from None


class _ArraysOnly(pickle.Unpickler):
    """A pickle may run any code when it is read: this one reads NumPy's arrays and plain values alone."""

    def find_class(self, module: str, name: str) -> Any:
        numpy = module.split(".")[0] == "numpy" and name in (
            "_reconstruct",
            "ndarray",
            "dtype",
            "scalar",
            "_frombuffer",
        )
        if numpy or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, expected arrays only")


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return _ArraysOnly(file, encoding="latin1").load()
