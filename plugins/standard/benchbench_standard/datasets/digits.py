from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from benchbench import ClassSplit, Dataset, Sample, SampleTable, pixels


class Digits(Dataset):
    """Handwritten digits as scikit-learn ships them (Alpaydin & Kaynak 1998, UCI): 1,797 images of 8x8, enlarged to
    `size`. A target only: all ten classes are for testing."""

    licence = "CC BY 4.0"
    citation = "Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI"
    homepage = "https://archive.ics.uci.edu/dataset/80"

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 28):
        self.size = size

    def sources(self, root: Path | None) -> list[Path]:
        """scikit-learn's data file."""
        # Found without its package, which takes every run seconds to import.
        package = find_spec("sklearn")
        assert package
        assert package.origin
        return [Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"]

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every image, its 17 grey levels spread over 0 to 255, ink = 255."""
        from sklearn.datasets import load_digits

        data = load_digits()
        for levels, label in zip(data.images, data.target, strict=True):
            image = Image.fromarray((levels * (255 / 16)).astype(np.uint8))
            yield Sample(pixels(image, self.size), str(label))

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))
