import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field
from torchvision.datasets import CIFAR100

from benchbench import ClassSplit, DataMissing, Dataset, Sample, SampleTable, tasks_folder
from benchbench_standard.datasets.images import fitted, image_files, read_image


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
        if root is not None and (files := image_files(root / "cifar100")):
            return files
        pickles = [root / "cifar-100-python" / name for name in ("meta", "test", "train")] if root else []
        if not pickles or not all(p.is_file() for p in pickles):
            raise DataMissing(
                f"dataset {self.split_name}: expected class folders BENCHBENCH_DATA/cifar100/CLASS/*.png or "
                "torchvision's BENCHBENCH_DATA/cifar-100-python/{train,test,meta}; "
                f"`benchbench data prepare {self.split_name} --download` fetches the latter"
            )
        return pickles

    def download(self, root: Path) -> None:
        """Fetch torchvision's copy, checked by its checksum."""
        CIFAR100(str(root), download=True)

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every image, of CIFAR-100's own train and test sets alike."""
        files = self.sources(root)
        assert root is not None
        if files[0].is_relative_to(root / "cifar-100-python"):
            yield from self._pickled(root)
            return
        for path in files:
            yield Sample(read_image(path, self.size, grey=False), path.parent.name, path.relative_to(root).as_posix())

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists."""
        path = tasks_folder() / "splits" / f"{self.split_name}.json"
        content = json.loads(path.read_text("utf-8"))
        parts = {part: content[part] for part in ("train", "valid", "test")}
        return ClassSplit.by_name(table.class_names, parts, f"split file {path.name}")

    def _pickled(self, root: Path) -> Iterator[Sample]:
        for train in (True, False):
            try:
                data = CIFAR100(str(root), train=train, download=False)
            except RuntimeError as error:
                raise DataMissing(f"dataset {self.split_name}: {root / 'cifar-100-python'}: {error}") from None
            for image, label in zip(data.data, data.targets, strict=True):
                x = np.asarray(fitted(Image.fromarray(image), self.size))
                yield Sample(np.ascontiguousarray(x.transpose(2, 0, 1)), data.classes[label])


class CIFARFS(_Cifar100):
    """CIFAR-FS (Bertinetto et al. 2019, arXiv 1805.08136): CIFAR-100, 64/16/20 classes drawn at random."""

    split_name = "cifar-fs"


class FC100(_Cifar100):
    """FC100 (Oreshkin et al. 2018, arXiv 1805.10123): CIFAR-100, 60/20/20 classes by superclass."""

    split_name = "fc100"
