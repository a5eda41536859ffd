from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Rng, SampleTable
from benchbench_standard.datasets.arrays import ImageArrays, Images
from benchbench_standard.datasets.listed import published_split


class QuickDraw(ImageArrays):
    """Quick, Draw! (Jongejan et al. 2016): 345 classes of sketches, white on black, of 28 pixels. Meta-Dataset's
    split, 241/52/52.

    All 50 million drawings at 84 pixels would fill 350 GB, so `per_class` of them are drawn at random, the same ones
    always; they are kept at `size` pixels and enlarged where an encoder wants more.
    """

    licence = "CC BY 4.0"
    citation = "Jongejan et al. 2016, The Quick, Draw! dataset"
    homepage = "https://github.com/googlecreativelab/quickdraw-dataset"
    expects = "quickdraw/CLASS.npy, the bitmaps of gs://quickdraw_dataset/full/numpy_bitmap"

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 28, per_class: Annotated[int, Field(ge=2)] = 1000):
        super().__init__(size=size)
        self.per_class = per_class

    def sources(self, root: Path | None) -> list[Path]:
        """A file a class."""
        files = sorted((root / "quickdraw").glob("*.npy")) if root else []
        if not files:
            raise DataMissing(f"dataset quickdraw: expected below BENCHBENCH_DATA {self.expects}")
        return files

    def arrays(self, root: Path | None) -> Iterator[Images]:
        """Classes by name; the drawings of each in their file's order."""
        for path in self.sources(root):
            try:
                held = np.load(path, mmap_mode="r")
            except (OSError, ValueError, EOFError) as error:
                raise BenchbenchError(f"dataset quickdraw: {path} cannot be read: {error}") from None
            if held.dtype != np.uint8 or held.ndim != 2 or held.shape[1] != 28 * 28:
                raise BenchbenchError(
                    f"dataset quickdraw: {path}: expected uint8 (N, 784), got {held.dtype} {held.shape}"
                )
            rows = np.sort(Rng("quickdraw", path.stem).numpy.permutation(len(held))[: self.per_class])
            x = np.asarray(held[rows]).reshape(-1, 28, 28)
            yield Images(x, [path.stem] * len(rows), f"quickdraw/{path.name}", rows.tolist())

    def split(self, table: SampleTable) -> ClassSplit:
        """The published class lists."""
        return published_split("quickdraw-meta-dataset", table)
