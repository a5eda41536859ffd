import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from torchvision.datasets import MNIST as TorchvisionMNIST

from benchbench import Archive, BenchbenchError
from benchbench_standard.datasets.two_layouts import Item, TwoLayouts

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"


class MNIST(TwoLayouts):
    """MNIST (LeCun et al. 1998): 70,000 handwritten digits, of its own train and test sets alike, ink = 255. A target:
    all ten classes are for testing."""

    name = folder = "mnist"
    grey = True
    licence = "CC BY-SA 3.0"
    citation = "LeCun, Bottou, Bengio & Haffner 1998, Gradient-Based Learning Applied to Document Recognition"
    homepage = "http://yann.lecun.com/exdb/mnist/"
    expects = "mnist/DIGIT/*.png or torchvision's MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte"
    archives = tuple(Archive(_URL + file, f"md5:{md5}", into="MNIST/raw") for file, md5 in TorchvisionMNIST.resources)

    def __init__(self, *, size: Annotated[int, Field(ge=8)] = 28):
        super().__init__(size=size)

    def published(self, root: Path) -> list[Path]:
        """Images and labels of the training set, then of the test set, unpacked or as ``.gz``."""
        found = []
        for file, _ in TorchvisionMNIST.resources:
            packed = root / "MNIST" / "raw" / file
            found.append(plain if (plain := packed.with_suffix("")).is_file() else packed)
        return found if all(path.is_file() for path in found) else []

    def pixels(self, root: Path) -> Iterator[Item]:
        """The training images, then the test images."""
        files = self.published(root)
        for images, labels in (files[:2], files[2:]):
            for i, (image, label) in enumerate(zip(_idx(images), _idx(labels), strict=True)):
                yield Item(image, str(label), f"{images.relative_to(root).as_posix()}#{i}")


def _idx(path: Path) -> np.ndarray:
    """An array of bytes in MNIST's format: two zeros, 8 for bytes, the number of axes, their sizes, the content."""
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        shape = np.frombuffer(raw, ">u4", raw[3], 4)
        if raw[:3] != b"\0\0\x08":
            raise ValueError("no header of bytes")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise BenchbenchError(f"dataset mnist: {path} cannot be read: {error}") from None
