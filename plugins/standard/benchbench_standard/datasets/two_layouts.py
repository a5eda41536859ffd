"""What the datasets have in common that are read from class folders or from their authors' own files."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from benchbench import ClassSplit, DataMissing, Dataset, Sample, SampleTable, image_files
from benchbench_standard.datasets.images import read_image, resized
from benchbench_standard.datasets.listed import published_split


class Item(NamedTuple):
    """An image: its file, or its pixels uint8 (H, W) or (H, W, 3) out of a file of many; its class; its origin."""

    image: Path | np.ndarray
    label: str
    file: str


class TwoLayouts(Dataset):
    """Class folders ``FOLDER/CLASS/*.png`` below the data folder or, where there are none, files of arrays as
    torchvision keeps them; resized to `size` pixels a side. All classes are for testing, unless a subclass names a
    split."""

    #: The name of the component, in messages.
    name: ClassVar[str]
    folder: ClassVar[str]
    grey: ClassVar[bool] = False
    split_name: ClassVar[str | None] = None

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 32):
        self.size = size

    @abstractmethod
    def published(self, root: Path) -> list[Path]:
        """The authors' files, empty where one is not there."""

    @abstractmethod
    def pixels(self, root: Path) -> Iterator[Item]:
        """Every image of the authors' files."""

    def sources(self, root: Path | None) -> list[Path]:
        """The class folders' files, or the authors'."""
        files = (image_files(root / self.folder) or self.published(root)) if root else []
        if not files:
            raise DataMissing(
                f"dataset {self.name}: expected below BENCHBENCH_DATA {self.expects}; "
                f"`benchbench data prepare {self.name} --download` fetches the latter"
            )
        return files

    def items(self, root: Path | None) -> Sequence[Item]:
        """Every image."""
        files = self.sources(root)
        assert root is not None
        if not files[0].is_relative_to(root / self.folder):
            return list(self.pixels(root))
        return [Item(path, path.parent.name, path.relative_to(root).as_posix()) for path in files]

    def decode(self, item: Item) -> Iterator[Sample]:
        """The image, resized to `size`."""
        if isinstance(item.image, Path):
            yield Sample(read_image(item.image, self.size, self.grey), item.label, item.file)
        else:
            yield Sample(resized(item.image, self.size), item.label, item.file)

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists, or every class for testing."""
        if self.split_name is None:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        return published_split(self.split_name, table)
