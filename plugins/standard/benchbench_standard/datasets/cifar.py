from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import torchvision.datasets
from pydantic import Field

from benchbench import Archive, ClassSplit, DataMissing, Dataset, Sample, SampleTable
from benchbench_standard.datasets.images import image_files, read_image, resized
from benchbench_standard.datasets.listed import published_split


class _Item(NamedTuple):
    image: Path | np.ndarray
    label: str
    file: str


class _Cifar(Dataset):
    """CIFAR (Krizhevsky 2009): all images, of its own train and test sets alike, from class folders
    ``cifarN/CLASS/*.png`` or from torchvision's pickles."""

    licence = "none stated"
    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
    #: The name of the component, in messages.
    name: ClassVar[str]
    folder: ClassVar[str]
    reader: ClassVar[type[torchvision.datasets.CIFAR10]]
    split_name: ClassVar[str | None] = None

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 32):
        self.size = size

    def sources(self, root: Path | None) -> list[Path]:
        """The class folders' files, or torchvision's pickles."""
        if root is not None and (files := image_files(root / self.folder)):
            return files
        names = sorted({self.reader.meta["filename"], *(n for n, _ in self.reader.train_list + self.reader.test_list)})
        pickles = [root / self.reader.base_folder / name for name in names] if root else []
        if not pickles or not all(p.is_file() for p in pickles):
            raise DataMissing(
                f"dataset {self.name}: expected class folders BENCHBENCH_DATA/{self.folder}/CLASS/*.png or "
                f"torchvision's BENCHBENCH_DATA/{self.reader.base_folder}/{{{','.join(names)}}}; "
                f"`benchbench data prepare {self.name} --download` fetches the latter"
            )
        return pickles

    def items(self, root: Path | None) -> Sequence[_Item]:
        """Every image: a file or, from a pickle, its pixels (32, 32, 3)."""
        files = self.sources(root)
        assert root is not None
        if files[0].is_relative_to(root / self.reader.base_folder):
            return list(self._pickled(root))
        return [_Item(path, path.parent.name, path.relative_to(root).as_posix()) for path in files]

    def decode(self, item: _Item) -> Iterator[Sample]:
        """The image, resized to `size`."""
        if isinstance(item.image, Path):
            yield Sample(read_image(item.image, self.size, grey=False), item.label, item.file)
        else:
            yield Sample(resized(item.image, self.size), item.label, item.file)

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists."""
        if self.split_name is None:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        return published_split(self.split_name, table)

    def _pickled(self, root: Path) -> Iterator[_Item]:
        for part in ("train", "test"):
            try:
                data = self.reader(str(root), train=part == "train", download=False)
            except RuntimeError as error:
                raise DataMissing(f"dataset {self.name}: {root / self.reader.base_folder}: {error}") from None
            for i, (image, label) in enumerate(zip(data.data, data.targets, strict=True)):
                yield _Item(image, data.classes[label], f"{self.reader.base_folder}/{part}#{i}")


class CIFAR10(_Cifar):
    """CIFAR-10 (Krizhevsky 2009): 10 classes, 6,000 images each. A target: all classes are for testing."""

    name = "cifar10"
    folder = "cifar10"
    reader = torchvision.datasets.CIFAR10
    expects = "cifar10/CLASS/*.png or torchvision's cifar-10-batches-py/"
    archives = (Archive("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", f"md5:{reader.tgz_md5}"),)


class CIFAR100(_Cifar):
    """CIFAR-100 (Krizhevsky 2009): 100 classes, 600 images each. A target: all classes are for testing."""

    name = "cifar100"
    folder = "cifar100"
    reader = torchvision.datasets.CIFAR100
    expects = "cifar100/CLASS/*.png or torchvision's cifar-100-python/"
    archives = (Archive("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", f"md5:{reader.tgz_md5}"),)


class CIFARFS(CIFAR100):
    """CIFAR-FS (Bertinetto et al. 2019, arXiv 1805.08136): CIFAR-100, 64/16/20 classes drawn at random."""

    name = split_name = "cifar-fs"


class FC100(CIFAR100):
    """FC100 (Oreshkin et al. 2018, arXiv 1805.10123): CIFAR-100, 60/20/20 classes by superclass."""

    name = split_name = "fc100"
