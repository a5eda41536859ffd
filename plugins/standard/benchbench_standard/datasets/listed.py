"""What datasets of image files have in common: files below a folder, each with a class and perhaps a box."""

import json
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

from PIL import Image
from pydantic import Field

from benchbench import (
    IMAGE_SUFFIXES,
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    Sample,
    SampleTable,
    pixels,
    read_picture,
    tasks_folder,
)

#: A part of an image: left, upper, right, lower in pixels.
Box = tuple[float, float, float, float]


class Listed(NamedTuple):
    """An image file, its class, and the part of it that shows the class; None for all of it."""

    path: Path
    label: str
    box: Box | None = None


class Item(NamedTuple):
    """An image file, its name below the data folder, and what it shows: (class, box) pairs."""

    path: Path
    file: str
    shown: tuple[tuple[str, Box | None], ...]


class ListedImages(Dataset):
    """Image files below one folder of ``BENCHBENCH_DATA``, resized to `size` pixels a side.

    A subclass states its facts and lists its files; its class split is a file of ``tasks/splits``, else every class is
    for testing. A ``/`` in a class name becomes ``-``: it would make a level of the class tree.
    """

    #: The name of the component, in messages.
    name: ClassVar[str]
    #: Folders below the data folder, the first that is there is read.
    folders: ClassVar[tuple[str, ...]]
    #: Files below the folder that list the images or their classes.
    annotations: ClassVar[tuple[str, ...]] = ()
    split_name: ClassVar[str | None] = None
    grey: ClassVar[bool] = False

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 84):
        self.size = size

    @abstractmethod
    def listed(self, folder: Path) -> Iterable[Listed]:
        """Every image in a stable order, those of one file together."""

    def crop(self, image: Image.Image, box: Box) -> Image.Image | None:
        """The part of an image that a box shows, None where nothing is left of it."""
        return image.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]

    def entries(self, folder: Path) -> list[Listed]:
        """`listed`. Raises BenchbenchError for annotations that are not as published."""
        try:
            return list(self.listed(folder))
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            files = ", ".join(str(folder / name) for name in self.annotations)
            raise BenchbenchError(
                f"dataset {self.name}: {files}: expected {self.expects} as published: {type(error).__name__}: {error}"
            ) from None

    def sources(self, root: Path | None) -> list[Path]:
        """The annotation files and the images that they list."""
        folder = self.folder(root)
        images = dict.fromkeys(entry.path for entry in self.entries(folder))
        if not images:
            raise self.missing()
        return [*(folder / name for name in self.annotations), *images]

    def items(self, root: Path | None) -> Sequence[Item]:
        """One a file."""
        folder = self.folder(root)
        assert root is not None
        grouped = groupby(self.entries(folder), key=lambda entry: entry.path)
        return [
            Item(path, path.relative_to(root).as_posix(), tuple((entry.label, entry.box) for entry in entries))
            for path, entries in grouped
        ]

    def decode(self, item: Item) -> Iterable[Sample]:
        """What the file shows, each part in `size` x `size` pixels; one channel where `grey`."""
        # Boxes are in pixels as the file has them.
        boxed = any(box is not None for _, box in item.shown)
        whole = read_picture(item.path, grey=self.grey, upright=not boxed)
        for label, box in item.shown:
            part = whole if box is None else self.crop(whole, box)
            if part is not None:
                yield Sample(pixels(part, self.size), label, item.file)

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists."""
        if self.split_name is None:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        return published_split(self.split_name, table)

    def folder(self, root: Path | None) -> Path:
        """The folder that is read. Raises DataMissing where it or an annotation file is not there."""
        for name in self.folders if root else ():
            assert root is not None
            if all((root / name / needed).exists() for needed in (".", *self.annotations)):
                return root / name
        raise self.missing()

    def missing(self) -> DataMissing:
        """What to put where, as an error."""
        fetch = f"; `benchbench data prepare {self.name} --download` fetches it" if self.archives else ""
        return DataMissing(f"dataset {self.name}: expected below BENCHBENCH_DATA {self.expects}{fetch}")


def class_name(text: str) -> str:
    """A published class name as the tables have it."""
    return text.strip().replace("/", "-")


def class_folders(folder: Path) -> list[Listed]:
    """Every image of the folders below `folder`, each a class; hidden files are passed over."""
    found = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ():
        files = sorted(p for p in sub.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
        found += [Listed(path, class_name(sub.name)) for path in files]
    return found


def published_split(name: str, table: SampleTable) -> ClassSplit:
    """The class lists ``tasks/splits/NAME.json``."""
    return ClassSplit.by_name(table.class_names, published(name), f"split file {name}.json")


def published(name: str) -> dict[str, list[str]]:
    """Class names by part, of ``tasks/splits/NAME.json``."""
    content = json.loads((tasks_folder() / "splits" / f"{name}.json").read_text("utf-8"))
    return {part: [class_name(c) for c in content[part]] for part in ("train", "valid", "test")}


def by_number(name: str) -> dict[int, str]:
    """The class names of a split by the number that they begin with, as in ``090.canna lily``."""
    return {int(c.split(".")[0]): c for classes in published(name).values() for c in classes}
