from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, SampleTable, UserSplit, located
from benchbench_standard.datasets.arrays import ImageArrays, Images, checked, load_npz


class NPZ(ImageArrays):
    """A file of NumPy arrays: `images` uint8 (N, H, W) or (N, H, W, 3), `labels` integers (N,) and `class_names` (K,),
    resized to `size` pixels a side.

    `path` is the file and `split` a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names, both
    absolute or below ``BENCHBENCH_DATA``; without a split every class is for testing.
    """

    locators = frozenset({"path", "split"})
    licence = "the user's own"
    citation = "the user's own"
    expects = "a file of the arrays images, labels and class_names at the setting path"

    def __init__(self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84):
        super().__init__(size=size)
        self.path, self.user_split = path, UserSplit(split, "dataset npz")

    def sources(self, root: Path | None) -> list[Path]:
        """The file."""
        path = located(self.path, root)
        if not path.is_file():
            raise DataMissing(
                f"dataset npz: no file {path}: expected {self.expects}, absolute or below BENCHBENCH_DATA"
            )
        return [path]

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split file, where there is one."""
        return self.user_split.sources(root)

    def arrays(self, root: Path | None) -> Iterator[Images]:
        """The images in their order."""
        (path,) = self.sources(root)
        images, labels, names = load_npz(path, "dataset npz", ("images", "labels", "class_names"))
        x = checked(images, f"dataset npz: {path}")
        if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
            raise BenchbenchError(
                f"dataset npz: {path}: expected labels of integers ({len(x)},), got {labels.dtype} {labels.shape}"
            )
        if len(x) and not 0 <= labels.min() <= labels.max() < len(names):
            raise BenchbenchError(
                f"dataset npz: {path}: labels run from {labels.min()} to {labels.max()}, "
                f"but class_names has {len(names)}"
            )
        yield Images(x, [str(names[label]) for label in labels], path.name, range(len(x)))

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        return self.user_split.split(table)
