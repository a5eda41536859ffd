"""What datasets have in common whose images are published as arrays."""

import zipfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, Dataset, Sample
from benchbench_standard.datasets.images import resized

#: Images that are decoded together.
BLOCK = 128


class Images(NamedTuple):
    """Images uint8 (N, H, W) or (N, H, W, 3), the class of each, the file they came from and their places in it."""

    x: np.ndarray
    labels: Sequence[str]
    file: str
    places: Sequence[int]


class ImageArrays(Dataset):
    """Arrays of images, resized to `size` pixels a side."""

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 28):
        self.size = size

    @abstractmethod
    def arrays(self, root: Path | None) -> Iterable[Images]:
        """Every image in a stable order."""

    def items(self, root: Path | None) -> Sequence[Images]:
        """Blocks of the arrays."""
        return [
            Images(x[i : i + BLOCK], labels[i : i + BLOCK], file, places[i : i + BLOCK])
            for x, labels, file, places in self.arrays(root)
            for i in range(0, len(x), BLOCK)
        ]

    def decode(self, item: Images) -> Iterator[Sample]:
        """Every image of a block; its file is named with its place in it, ``file.npz#7``."""
        for x, label, place in zip(item.x, item.labels, item.places, strict=True):
            yield Sample(resized(x, self.size), label, f"{item.file}#{place}")


def load_npz(path: Path, where: str, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of a ``.npz`` file, without pickled objects. Raises BenchbenchError for a damaged file and for an array
    that is not in it; `where` begins the message."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise BenchbenchError(f"{where}: {path} holds a single array: expected what np.savez writes")
        with loaded as held:
            for name in names:
                if name not in held.files:
                    raise BenchbenchError(f"{where}: {path} has no array {name!r}; it has: {', '.join(held.files)}")
            return [held[name] for name in names]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BenchbenchError(f"{where}: {path} cannot be read: {error}") from None


def checked(x: np.ndarray, where: str) -> np.ndarray:
    """Raises BenchbenchError where `x` is no array of grey or RGB images; a last axis of one is dropped."""
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] != 3):
        raise BenchbenchError(f"{where}: expected images uint8 (N, H, W) or (N, H, W, 3), got {x.dtype} {x.shape}")
    return x
