import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

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
    read_table,
    read_text,
)
from benchbench_standard.datasets.images import read_image
from benchbench_standard.datasets.listed import class_name

#: The names of columns that ``info.json`` may change.
COLUMNS = {"image_column_name": "FILE_NAME", "category_column_name": "CATEGORY"}


class MetaAlbum(Dataset):
    """A data set in Meta-Album's layout (Ullah et al. 2022): ``images/``, ``labels.csv`` and ``info.json``. A class is
    a category, below its super-category where there is one.

    `path` is its folder, absolute or below ``BENCHBENCH_DATA``; `split` says which classes are for training,
    validation and test (see `benchbench.UserSplit`), without it every class is for testing. Images are resized to
    `size` pixels a side.
    """

    locators = frozenset({"path", "split"})
    split_settings = frozenset({"split"})
    licence = "of each data set its own, see its info.json"
    citation = "Ullah et al. 2022, Meta-Album, NeurIPS Datasets and Benchmarks"
    homepage = "https://meta-album.github.io"
    expects = (
        "a folder with images/, labels.csv and info.json at the setting path: a data set's zip file from "
        "https://meta-album.github.io, unpacked"
    )

    def __init__(self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84):
        self.path, self.size, self.user_split = path, size, UserSplit(split, "dataset meta-album")

    def sources(self, root: Path | None) -> list[Path]:
        """The table, its description and the images."""
        folder = located(self.path, root)
        tables = [folder / "info.json", folder / "labels.csv"]
        if not all(path.is_file() for path in tables):
            raise DataMissing(
                f"dataset meta-album: {folder}: expected images/, labels.csv and info.json: unpack a zip file "
                f"from {self.homepage} and let 'path' name its folder, absolute or below BENCHBENCH_DATA"
            )
        return [*tables, *(path for path, _ in self.items(root))]

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split file, where there is one."""
        return self.user_split.sources(root)

    def items(self, root: Path | None) -> Sequence[tuple[Path, str]]:
        """Every image and its class, as the table has them."""
        folder = located(self.path, root)
        try:
            info = json.loads(read_text(folder / "info.json"))
        except ValueError as error:
            raise BenchbenchError(f"dataset meta-album: {folder / 'info.json'}: cannot be read: {error}") from None
        if not isinstance(info, dict):
            raise BenchbenchError(f"dataset meta-album: {folder / 'info.json'}: expected an object")
        image, category = (info.get(key) or name for key, name in COLUMNS.items())
        above = info.get("super_category_column_name") if info.get("has_super_categories") else None
        rows = read_table(folder / "labels.csv", [str(c) for c in (image, category, above) if c])
        found, meant = [], dict[str, str]()
        for row in rows:
            written = " / ".join(row[c].strip() for c in (above, category) if c)
            label = "/".join(class_name(row[c]) for c in (above, category) if c)
            if (other := meant.setdefault(label, written)) != written:
                raise BenchbenchError(
                    f"dataset meta-album: {folder / 'labels.csv'}: {other!r} and {written!r} would both be class "
                    f"{label!r}: rename one"
                )
            found.append((folder / "images" / row[image], label))
        return found

    def decode(self, item: tuple[Path, str]) -> Iterable[Sample]:
        """The image, resized to `size`."""
        path, label = item
        yield Sample(read_image(path, self.size, grey=False), label, f"images/{path.name}")

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        return self.user_split.split(table)
