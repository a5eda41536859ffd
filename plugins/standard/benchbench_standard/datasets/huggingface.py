from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable, suggest
from benchbench_standard.datasets.images import resized
from benchbench_standard.datasets.user_split import UserSplit


class HuggingFace(Dataset):
    """A folder written by ``save_to_disk`` of Hugging Face's `datasets` (install ``benchbench-suite[huggingface]``),
    all of its parts together, resized to `size` pixels a side, in one channel where `grey`.

    `path` is the folder and `split` a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names,
    both absolute or below ``BENCHBENCH_DATA``; without a split every class is for testing. `image` and `label` are the
    columns' names.
    """

    locators = frozenset({"path", "split"})
    licence = "of each dataset its own"
    homepage = "https://huggingface.co/docs/datasets"
    expects = "a folder written by save_to_disk at the setting path"

    def __init__(
        self,
        *,
        path: str,
        split: str | None = None,
        image: str = "image",
        label: str = "label",
        size: Annotated[int, Field(ge=8)] = 84,
        grey: bool = False,
    ):
        self.path, self.image, self.label, self.size, self.grey = path, image, label, size, grey
        self.user_split = UserSplit(split, "dataset huggingface")

    def sources(self, root: Path | None) -> list[Path]:
        """The Arrow files: the rest of the folder varies from one writing to the next."""
        folder = (root or Path()) / self.path
        files = sorted(folder.rglob("*.arrow"))
        if not files:
            raise DataMissing(
                f"dataset huggingface: {folder}: expected {self.expects}, absolute or below BENCHBENCH_DATA"
            )
        return files

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split file, where there is one."""
        return self.user_split.sources(root)

    def items(self, root: Path | None) -> Sequence[tuple[Path, str, int]]:
        """Folder, part and row of every image, parts by name."""
        folder = (root or Path()) / self.path
        return [(folder, part, i) for part, held in sorted(_parts(folder).items()) for i in range(len(held))]

    def decode(self, item: tuple[Path, str, int]) -> Iterator[Sample]:
        """The image, resized to `size`."""
        folder, part, row = item
        held = _parts(folder)[part]
        for column in (self.image, self.label):
            if column not in held.features:
                raise BenchbenchError(
                    f"dataset huggingface: {folder}: no column {column!r}{suggest(column, held.features)}"
                )
        values = held[row]
        picture = values[self.image]
        if not isinstance(picture, Image.Image):
            raise BenchbenchError(f"dataset huggingface: {folder}: column {self.image!r} holds no images")
        feature = held.features[self.label]
        names = getattr(feature, "names", None)
        label = names[values[self.label]] if names else str(values[self.label])
        x = np.asarray(picture.convert("L" if self.grey else "RGB"))
        yield Sample(resized(x, self.size), label, f"{part}#{row}")

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        return self.user_split.split(table)


@cache
def _parts(folder: Path) -> dict[str, Any]:
    """The folder's datasets by part. Raises BenchbenchError where the library is not installed."""
    try:
        import datasets
    except ImportError:
        raise BenchbenchError("dataset huggingface: install benchbench-suite[huggingface] to read it") from None
    try:
        held = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise BenchbenchError(f"dataset huggingface: {folder} cannot be read: {error}") from None
    return dict(held) if isinstance(held, datasets.DatasetDict) else {"all": held}
