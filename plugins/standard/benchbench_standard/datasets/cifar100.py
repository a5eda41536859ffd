import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from torchvision.datasets import CIFAR100

from benchbench import ClassSplit, DataMissing, Dataset, Sample, SampleTable, tasks_folder
from benchbench_standard.datasets.images import image_files, read_image


class _Cifar100(Dataset):
    """CIFAR-100 (Krizhevsky 2009), all 600 images a class, from class folders ``cifar100/CLASS/*.png`` or from
    torchvision's ``cifar-100-python``; the class split is a file of ``tasks/splits``."""

    licence = "none stated"
    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
    split_name: ClassVar[str]

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 32):
        self.size = size

    def sources(self, root: Path | None) -> list[Path]:
        """The class folders' files, or torchvision's three pickles."""
        if root is not None and (root / "cifar100").is_dir():
            return image_files(root / "cifar100")
        if root is not None and (root / "cifar-100-python").is_dir():
            return [root / "cifar-100-python" / name for name in ("meta", "test", "train")]
        raise DataMissing(
            f"dataset {self.split_name}: expected class folders in BENCHBENCH_DATA/cifar100 or torchvision's "
            "BENCHBENCH_DATA/cifar-100-python; `benchbench data prepare --download` fetches the latter"
        )

    def download(self, root: Path) -> None:
        """Fetch torchvision's copy, checked by its checksum."""
        CIFAR100(str(root), download=True)

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Train images, then test images, of every class."""
        assert root is not None
        if (root / "cifar100").is_dir():
            for path in self.sources(root):
                x = read_image(path, self.size, grey=False)
                yield Sample(x, path.parent.name, path.relative_to(root).as_posix())
            return
        for train in (True, False):
            data = CIFAR100(str(root), train=train)
            for image, label in zip(data.data, data.targets, strict=True):
                yield Sample(np.ascontiguousarray(image.transpose(2, 0, 1)), data.classes[label])

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists."""
        path = tasks_folder() / "splits" / f"{self.split_name}.json"
        content = json.loads(path.read_text("utf-8"))
        parts = {part: content[part] for part in ("train", "valid", "test")}
        return ClassSplit.by_name(table.class_names, parts, str(path))


class CIFARFS(_Cifar100):
    """CIFAR-FS (Bertinetto et al. 2019, arXiv 1805.08136): CIFAR-100, 64/16/20 classes drawn at random."""

    split_name = "cifar-fs"


class FC100(_Cifar100):
    """FC100 (Oreshkin et al. 2018, arXiv 1805.10123): CIFAR-100, 60/20/20 classes by superclass."""

    split_name = "fc100"
