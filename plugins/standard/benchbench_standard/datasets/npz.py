from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, SampleTable, UserSplit, located, read_picture
from benchbench_standard.datasets.arrays import ImageArrays, Images, checked, load_npz
from benchbench_standard.datasets.user_arrays import channels_last, eight_bits


class NPZ(ImageArrays):
    """A file of NumPy arrays: `images` (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1, 3 or 4 (red, green, blue,
    alpha), `labels` (N,) or (N, 1), and `class_names` (K,); resized to `size` pixels a side.

    Images are uint8, or uint16, boolean or floats in [0, 1], whose range is known and becomes 0 to 255; alpha is laid
    on a background as `benchbench.read_picture` does. Labels are integers below K, or text: then `class_names` may be
    absent. `path` is the file, absolute or below ``BENCHBENCH_DATA``; `split` says which classes are for training,
    validation and test (see `benchbench.UserSplit`), without it every class is for testing.
    """

    locators = frozenset({"path", "split"})
    split_settings = frozenset({"split"})
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
        """The split's files, where there are any."""
        return self.user_split.sources(root)

    def arrays(self, root: Path | None) -> Iterator[Images]:
        """The images in their order."""
        (path,) = self.sources(root)
        where = f"dataset npz: {path}"
        images, labels = load_npz(path, "dataset npz", ("images", "labels"))
        x = eight_bits(channels_last(images, where), where)
        if x.ndim == 4 and x.shape[-1] == 4:
            opaque = (read_picture(Image.fromarray(p), where=f"{where}: image {i}") for i, p in enumerate(x))
            x = np.stack([np.asarray(picture) for picture in opaque])
        yield Images(checked(x, where), _classes(labels, path, len(x)), path.name, range(len(x)))

    def split(self, table: SampleTable) -> ClassSplit:
        """As the setting `split` says."""
        return self.user_split.split(table)


def _classes(labels: np.ndarray, path: Path, count: int) -> list[str]:
    """The class of each image. Raises BenchbenchError for labels that name no class."""
    where = f"dataset npz: {path}"
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,) or labels.dtype.kind not in "iuUS":
        raise BenchbenchError(
            f"{where}: expected labels of integers or text ({count},), got {labels.dtype} {labels.shape}"
        )
    if labels.dtype.kind in "US":
        return [_text(label, where) for label in labels]
    (held,) = load_npz(path, "dataset npz", ("class_names",))
    if held.ndim != 1:
        raise BenchbenchError(f"{where}: expected class_names (K,), got {held.shape}")
    names = [_text(name, where) for name in held]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BenchbenchError(f"{where}: class_names has {twice[0]!r} {names.count(twice[0])} times")
    if count and not 0 <= labels.min() <= labels.max() < len(names):
        raise BenchbenchError(
            f"{where}: labels run from {labels.min()} to {labels.max()}, but class_names has {len(names)}"
            + ("; leave unlabelled images out" if labels.min() < 0 else "")
        )
    return [names[label] for label in labels]


def _text(value: object, where: str) -> str:
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise BenchbenchError(f"{where}: the class name {value!r} is not UTF-8") from None
    if not text.strip():
        raise BenchbenchError(f"{where}: a class has no name")
    return text
