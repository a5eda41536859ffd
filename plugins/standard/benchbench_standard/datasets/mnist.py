import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torchvision.datasets import MNIST as TorchvisionMNIST

from benchbench import Archive, BenchbenchError, ClassSplit, DataMissing, SampleTable
from benchbench_standard.datasets.arrays import ImageArrays, Images
from benchbench_standard.datasets.images import image_files, read_image

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"


class MNIST(ImageArrays):
    """MNIST (LeCun et al. 1998): 70,000 handwritten digits, of its own train and test sets alike, from class folders
    ``mnist/DIGIT/*.png`` or torchvision's ``MNIST/raw``. A target: all ten classes are for testing."""

    licence = "CC BY-SA 3.0"
    citation = "LeCun, Bottou, Bengio & Haffner 1998, Gradient-Based Learning Applied to Document Recognition"
    homepage = "http://yann.lecun.com/exdb/mnist/"
    expects = "mnist/DIGIT/*.png or torchvision's MNIST/raw/"
    archives = tuple(Archive(_URL + file, f"md5:{md5}", into="MNIST/raw") for file, md5 in TorchvisionMNIST.resources)

    def sources(self, root: Path | None) -> list[Path]:
        """The class folders' files, or the four files of images and labels."""
        if root is not None and (files := image_files(root / "mnist")):
            return files
        names = [file.removesuffix(".gz") for file, _ in TorchvisionMNIST.resources]
        folder = root / "MNIST" / "raw" if root else None
        found = [p for name in names for p in (folder / name, folder / f"{name}.gz") if p.is_file()] if folder else []
        kept = {path.name.removesuffix(".gz"): path for path in reversed(found)}
        if set(kept) != set(names):
            raise DataMissing(
                f"dataset mnist: expected class folders BENCHBENCH_DATA/mnist/DIGIT/*.png or torchvision's "
                f"BENCHBENCH_DATA/MNIST/raw/{{{','.join(names)}}}; `benchbench data prepare mnist --download` fetches "
                "the latter"
            )
        return [kept[name] for name in names]

    def arrays(self, root: Path | None) -> Iterator[Images]:
        """Training images, then test images; one file at a time from class folders."""
        files = self.sources(root)
        assert root is not None
        if files[0].is_relative_to(root / "mnist"):
            for path in files:
                yield Images(
                    read_image(path, 28, grey=True), [path.parent.name], path.relative_to(root).as_posix(), [0]
                )
            return
        for images, labels in (files[:2], files[2:]):
            x, y = _idx(images), _idx(labels)
            yield Images(x, [str(label) for label in y], images.relative_to(root).as_posix(), range(len(x)))

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))


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
