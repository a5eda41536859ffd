"""Image datasets of Hugging Face's `datasets` (https://huggingface.co/docs/datasets), from a local folder."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import datasets
import pyarrow.parquet
from pydantic import Field

from benchbench import (
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    Sample,
    SampleTable,
    UserSplit,
    located,
    pixels,
    read_picture,
    suggest,
)

#: NAME-PART.arrow, NAME-PART-00000-of-00002.arrow, PART-00000-of-00002-0123456789abcdef.parquet.
SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]{8,})?$")


class HuggingFace(Dataset):
    """A folder of Hugging Face's `datasets` (https://huggingface.co/docs/datasets): one that ``save_to_disk`` wrote,
    the folder of a dataset in the cache, which holds its ``.arrow`` files, or a download, which holds ``.parquet``.

    `path` is the folder and `split` says which classes are for training, validation and test, as a JSON file
    ``{"train": [...], "valid": [...], "test": [...]}`` does (see `benchbench.UserSplit`), both absolute or below
    ``BENCHBENCH_DATA``; without a split every class is for testing. `image` and `label` are the columns' names. Images
    are resized to `size` pixels a side, to one channel where `grey`. `parts` are those of the dataset that are read,
    such as ``["train"]`` where the test part has no labels; without it all of them, together.
    """

    locators = frozenset({"path", "split"})
    split_settings = frozenset({"split"})
    neutral = {"parts": None}
    licence = "of each dataset its own"
    homepage = "https://huggingface.co/docs/datasets"
    expects = "a folder written by save_to_disk, a dataset's cache folder, or parquet files, at the setting path"

    def __init__(
        self,
        *,
        path: str,
        split: str | None = None,
        image: str = "image",
        label: str = "label",
        size: Annotated[int, Field(ge=8)] = 84,
        grey: bool = False,
        parts: list[str] | None = None,
    ):
        self.path, self.size, self.grey, self.chosen = path, size, grey, parts
        self.user_split = UserSplit(split, "dataset huggingface")
        self.columns = image, label

    def sources(self, root: Path | None) -> list[Path]:
        """The data's own files: the rest of the folder varies from one writing to the next."""
        folder = located(self.path, root)
        if files := sorted(file for files in self._files(folder).values() for file in files):
            return files
        raise DataMissing(f"dataset huggingface: {folder}: expected {self.expects}, absolute or below BENCHBENCH_DATA")

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split's files, where there are any."""
        return self.user_split.sources(root)

    def items(self, root: Path | None) -> Sequence[tuple[Path, str, int]]:
        """Folder, part and row of every image, parts by name."""
        folder = located(self.path, root)
        parts = sorted(self._files(folder))
        return [(folder, part, i) for part in parts for i in range(len(_rows(folder, part, self.columns)))]

    def decode(self, item: tuple[Path, str, int]) -> Iterator[Sample]:
        """The image, resized to `size`."""
        folder, part, row = item
        held = _rows(folder, part, self.columns)
        values, (image, label) = held[row], self.columns
        where = f"dataset huggingface: {folder}: {part}#{row}"
        picture = read_picture(_source(values[image], where, image), grey=self.grey, where=where)
        names = getattr(held.features[label], "names", None)
        name = _class(values[label], names, f"{where}, column {label!r}")
        yield Sample(pixels(picture, self.size), name, f"{part}#{row}")

    def split(self, table: SampleTable) -> ClassSplit:
        """As the setting `split` says."""
        return self.user_split.split(table)

    def _files(self, folder: Path) -> dict[str, list[Path]]:
        found = _files(folder)
        for part in self.chosen or ():
            if found and part not in found:
                raise BenchbenchError(f"dataset huggingface: {folder}: no part {part!r}{suggest(part, found)}")
        return {part: files for part, files in found.items() if self.chosen is None or part in self.chosen}


def _class(value: object, names: Sequence[str] | None, where: str) -> str:
    """The name of a row's class. Raises BenchbenchError for a row without one; a test part often has none, written
    as -1."""
    if value is None or value == "" or (names and value == -1):
        raise BenchbenchError(f"{where}: the row has no label ({value}): remove it, or choose others with 'parts'")
    if not isinstance(value, int | str):
        raise BenchbenchError(f"{where}: expected a number or a name, got {type(value).__name__}")
    return names[int(value)] if names else str(value)


def _source(value: object, where: str, column: str) -> bytes | Path:
    """The encoded image of a cell, or its file."""
    if isinstance(value, dict) and value.get("bytes"):
        return bytes(value["bytes"])
    if isinstance(value, dict) and value.get("path"):
        return Path(value["path"])
    raise BenchbenchError(f"{where}: column {column!r} holds no images" if value else f"{where} has no image")


def _files(folder: Path) -> dict[str, list[Path]]:
    """The folder's own files by part; what `datasets` cached beside them (``cache-*.arrow``) is not the data's."""
    try:
        if (folder / "dataset_dict.json").is_file():
            parts = json.loads((folder / "dataset_dict.json").read_text("utf-8"))["splits"]
            return {part: _saved(folder / part) for part in parts}
        if (folder / "state.json").is_file():
            return {"all": _saved(folder)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchbenchError(f"dataset huggingface: {folder} cannot be read: {error!r}") from None
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.glob("*.arrow") if not p.name.startswith(("cache-", "tmp"))):
        found.setdefault(SHARD.sub("", path.stem).rpartition("-")[2], []).append(path)
    homes = set()
    for path in sorted(folder.rglob("*.parquet")) if not found else ():
        # A file of digits alone, as in train/0000.parquet, is named by its folder.
        numbered = path.stem.isdigit()
        found.setdefault(path.parent.name if numbered else SHARD.sub("", path.stem), []).append(path)
        homes.add(path.parent.parent if numbered else path.parent)
    if len(homes) > 1:
        raise BenchbenchError(
            f"dataset huggingface: {folder} holds several configurations: let 'path' name one of: "
            f"{', '.join(sorted(home.relative_to(folder).as_posix() for home in homes))}"
        )
    return found


def _saved(folder: Path) -> list[Path]:
    state = json.loads((folder / "state.json").read_text("utf-8"))
    return [folder / file["filename"] for file in state["_data_files"]]


@cache
def _rows(folder: Path, part: str, columns: tuple[str, str]) -> Any:
    """The two columns of a part, images as they are encoded. Raises BenchbenchError where it has no such columns."""
    try:
        shards = [
            datasets.Dataset(pyarrow.parquet.read_table(path, memory_map=True))
            if path.suffix == ".parquet"
            else datasets.Dataset.from_file(str(path))
            for path in _files(folder)[part]
        ]
        held = datasets.concatenate_datasets(shards)
    except (OSError, ValueError) as error:
        raise BenchbenchError(f"dataset huggingface: {folder} cannot be read: {error}") from None
    for column in columns:
        if column not in held.features:
            raise BenchbenchError(
                f"dataset huggingface: {folder}: {part}: no column {column!r}{suggest(column, held.features)}"
            )
    held = held.select_columns(list(columns))
    if isinstance(held.features[columns[0]], datasets.Image):
        held = held.cast_column(columns[0], datasets.Image(decode=False))
    return held
