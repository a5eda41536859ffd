"""Image datasets of Hugging Face's `datasets` (https://huggingface.co/docs/datasets), from a local folder."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import datasets
import numpy as np
from PIL import Image
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable, read_picture, suggest

SHARD = re.compile(r"-\d{5}-of-\d{5}$")


class HuggingFace(Dataset):
    """A folder of Hugging Face's `datasets` (https://huggingface.co/docs/datasets), all of its parts together: one that
    ``save_to_disk`` wrote, or the folder of a dataset in the cache, which holds its ``.arrow`` files.

    `path` is the folder and `split` a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names,
    both absolute or below ``BENCHBENCH_DATA``; without a split every class is for testing. `image` and `label` are the
    columns' names. Images are resized to `size` pixels a side, to one channel where `grey`.
    """

    locators = frozenset({"path", "split"})
    licence = "of each dataset its own"
    homepage = "https://huggingface.co/docs/datasets"
    expects = "a folder written by save_to_disk, or a dataset's cache folder, at the setting path"

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
        self.path, self.split_file, self.size, self.grey = path, split, size, grey
        self.columns = image, label

    def sources(self, root: Path | None) -> list[Path]:
        """The Arrow files: the rest of the folder varies from one writing to the next."""
        folder = (root or Path()) / self.path
        if files := sorted(folder.rglob("*.arrow")):
            return files
        raise DataMissing(f"dataset huggingface: {folder}: expected {self.expects}, absolute or below BENCHBENCH_DATA")

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split file, where there is one."""
        if self.split_file is None:
            return []
        path = (root or Path()) / self.split_file
        if not path.is_file():
            raise DataMissing(f"dataset huggingface: no split file {path}: expected JSON with lists of class names")
        return [path]

    def items(self, root: Path | None) -> Sequence[tuple[Path, str, int]]:
        """Folder, part and row of every image, parts by name."""
        folder = (root or Path()) / self.path
        return [(folder, part, i) for part, held in sorted(_parts(folder).items()) for i in range(len(held))]

    def decode(self, item: tuple[Path, str, int]) -> Iterator[Sample]:
        """The image, resized to `size`."""
        folder, part, row = item
        held = _parts(folder)[part]
        for column in self.columns:
            if column not in held.features:
                raise BenchbenchError(
                    f"dataset huggingface: {folder}: no column {column!r}{suggest(column, held.features)}"
                )
        values, (image, label) = held[row], self.columns
        picture = values[image]
        if not isinstance(picture, Image.Image):
            raise BenchbenchError(f"dataset huggingface: {folder}: column {image!r} holds no images")
        picture = read_picture(picture, grey=self.grey, where=f"dataset huggingface: {folder}: {part}#{row}")
        picture = picture.resize((self.size, self.size), Image.Resampling.BICUBIC)
        x = np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)
        names = getattr(held.features[label], "names", None)
        yield Sample(x, names[values[label]] if names else str(values[label]), f"{part}#{row}")

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        root = os.environ.get("BENCHBENCH_DATA")
        files = self.split_sources(Path(root) if root else None)
        if not files:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        where = f"dataset huggingface: split file {files[0]}"
        try:
            parts = json.loads(files[0].read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BenchbenchError(f"{where} cannot be read: {error}") from None
        lists = isinstance(parts, dict) and all(isinstance(names, list) for names in parts.values())
        if not lists or set(parts) - {"train", "valid", "test"}:
            raise BenchbenchError(f"{where}: expected an object with lists of class names for train, valid, test")
        return ClassSplit.by_name(table.class_names, parts, where)


@cache
def _parts(folder: Path) -> dict[str, Any]:
    """The folder's datasets by part. Raises BenchbenchError where it is none."""
    try:
        if (folder / "dataset_dict.json").is_file():
            return dict(datasets.load_from_disk(str(folder)))
        if (folder / "state.json").is_file():
            return {"all": datasets.load_from_disk(str(folder))}
        shards: dict[str, list[Any]] = {}
        for path in sorted(folder.glob("*.arrow")):
            # The cache names its files NAME-PART.arrow, or NAME-PART-00000-of-00002.arrow.
            part = SHARD.sub("", path.stem).rpartition("-")[2]
            shards.setdefault(part, []).append(datasets.Dataset.from_file(str(path)))
        return {part: datasets.concatenate_datasets(held) for part, held in shards.items()}
    except (OSError, ValueError) as error:
        raise BenchbenchError(f"dataset huggingface: {folder} cannot be read: {error}") from None
