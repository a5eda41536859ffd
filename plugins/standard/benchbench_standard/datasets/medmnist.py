from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, SampleTable
from benchbench_standard.datasets.arrays import ImageArrays, Images, checked, load_npz


class MedMNIST(ImageArrays):
    """A two-dimensional set of MedMNIST v2 (Yang et al. 2023), of its train, validation and test images together; a
    class is named by its number. A target: all classes are for testing.

    `subset` is the file's: ``pathmnist``, ``bloodmnist``, ``dermamnist_64`` ...; sets with several labels an image
    (chestmnist) and of volumes are refused.
    """

    licence = "CC BY 4.0; DermaMNIST CC BY-NC 4.0"
    citation = "Yang et al. 2023, MedMNIST v2, Scientific Data 10"
    homepage = "https://medmnist.com"
    expects = "medmnist/SUBSET.npz for the setting subset"

    def __init__(self, *, subset: str, size: Annotated[int, Field(ge=8)] = 28):
        super().__init__(size=size)
        self.subset = subset

    def sources(self, root: Path | None) -> list[Path]:
        """The file."""
        if root is None or not (path := root / "medmnist" / f"{self.subset}.npz").is_file():
            raise DataMissing(
                f"dataset medmnist: expected BENCHBENCH_DATA/medmnist/{self.subset}.npz, from {self.homepage}"
            )
        return [path]

    def arrays(self, root: Path | None) -> Iterator[Images]:
        """Its three parts in turn."""
        (path,) = self.sources(root)
        for part in ("train", "val", "test"):
            images, labels = load_npz(path, "dataset medmnist", (f"{part}_images", f"{part}_labels"))
            if labels.ndim != 2 or labels.shape[1] != 1:
                raise BenchbenchError(
                    f"dataset medmnist: {path}: expected one label an image, {part}_labels (N, 1), got {labels.shape}"
                )
            x = checked(images, f"dataset medmnist: {path}: {part}_images")
            yield Images(x, [f"{int(label):02d}" for (label,) in labels], f"medmnist/{path.name}/{part}", range(len(x)))

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))
