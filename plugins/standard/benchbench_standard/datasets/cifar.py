from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import torchvision.datasets

from benchbench import Archive, DataMissing
from benchbench_standard.datasets.two_layouts import Item, TwoLayouts

_URL = "https://www.cs.toronto.edu/~kriz/"


class CIFAR10(TwoLayouts):
    """CIFAR-10 (Krizhevsky 2009): 10 classes, 6,000 images each, of its own train and test sets alike. A target: all
    classes are for testing."""

    name = folder = "cifar10"
    reader: ClassVar[type[torchvision.datasets.CIFAR10]] = torchvision.datasets.CIFAR10
    licence = "none stated"
    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
    homepage = f"{_URL}cifar.html"
    expects = "cifar10/CLASS/*.png or torchvision's cifar-10-batches-py/{batches.meta,data_batch_1..5,test_batch}"
    archives = (Archive(f"{_URL}cifar-10-python.tar.gz", f"md5:{reader.tgz_md5}"),)

    def published(self, root: Path) -> list[Path]:
        """torchvision's pickles."""
        names = {self.reader.meta["filename"], *(name for name, _ in self.reader.train_list + self.reader.test_list)}
        pickles = [root / self.reader.base_folder / name for name in sorted(names)]
        return pickles if all(path.is_file() for path in pickles) else []

    def pixels(self, root: Path) -> Iterator[Item]:
        """The training images, then the test images, from pickles whose checksums torchvision knows."""
        for part in ("train", "test"):
            try:
                data = self.reader(str(root), train=part == "train", download=False)
            except RuntimeError as error:
                raise DataMissing(f"dataset {self.name}: {root / self.reader.base_folder}: {error}") from None
            for i, (image, label) in enumerate(zip(data.data, data.targets, strict=True)):
                yield Item(image, data.classes[label], f"{self.reader.base_folder}/{part}#{i}")


class CIFAR100(CIFAR10):
    """CIFAR-100 (Krizhevsky 2009): 100 classes, 600 images each, of its own train and test sets alike. A target: all
    classes are for testing."""

    name = folder = "cifar100"
    reader = torchvision.datasets.CIFAR100
    expects = "cifar100/CLASS/*.png or torchvision's cifar-100-python/{meta,test,train}"
    archives = (Archive(f"{_URL}cifar-100-python.tar.gz", f"md5:{reader.tgz_md5}"),)


class CIFARFS(CIFAR100):
    """CIFAR-FS (Bertinetto et al. 2019, arXiv 1805.08136): CIFAR-100, 64/16/20 classes drawn at random."""

    name = split_name = "cifar-fs"


class FC100(CIFAR100):
    """FC100 (Oreshkin et al. 2018, arXiv 1805.10123): CIFAR-100, 60/20/20 classes by superclass."""

    name = split_name = "fc100"
