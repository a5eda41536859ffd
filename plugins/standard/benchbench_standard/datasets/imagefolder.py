import json
from os import environ
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable
from benchbench_standard.datasets.images import image_files, read_image


class ImageFolder(Dataset):
    """Any tree of class folders, so that a user's own data need no code.

    `path` is the tree, absolute or below ``BENCHBENCH_DATA``; a class is a folder that holds images, named by its
    relative path. `split` is a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names, beside
    the tree or absolute; without it every class is for testing.
    """

    def __init__(
        self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84, grey: bool = False
    ):
        self.path, self.split_file, self.size, self.grey = path, split, size, grey

    def _under(self, root: Path | None, name: str) -> Path:
        return (root or Path()) / name

    def sources(self, root: Path | None) -> list[Path]:
        """The image files."""
        folder = self._under(root, self.path)
        if not folder.is_dir():
            raise DataMissing(
                f"dataset imagefolder: no folder {folder}: set 'path' to a tree of class folders, absolute or below "
                "BENCHBENCH_DATA"
            )
        files = image_files(folder)
        if not files:
            raise DataMissing(f"dataset imagefolder: no image files below {folder}")
        return files

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every image, resized to `size`."""
        folder = self._under(root, self.path)
        for path in self.sources(root):
            relative = path.relative_to(folder)
            yield Sample(read_image(path, self.size, grey=self.grey), relative.parent.as_posix(), relative.as_posix())

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        if self.split_file is None:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        path = self._under(Path(environ["BENCHBENCH_DATA"]) if "BENCHBENCH_DATA" in environ else None, self.split_file)
        try:
            parts = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BenchbenchError(f"dataset imagefolder: split file {path} cannot be read: {error}") from None
        if not isinstance(parts, dict) or set(parts) - {"train", "valid", "test"}:
            raise BenchbenchError(f"dataset imagefolder: {path}: expected lists of classes for train, valid and test")
        return ClassSplit.by_name(table.class_names, parts, str(path))
