import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable
from benchbench_standard.datasets.images import SUFFIXES, image_files, read_image

PARTS = ("train", "valid", "test")


class ImageFolder(Dataset):
    """Any tree of class folders, so that a user's own data need no code.

    `path` is the tree, absolute or below ``BENCHBENCH_DATA``; a class is a folder that holds images, named by its
    path below the tree. `split` is a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names,
    absolute or below ``BENCHBENCH_DATA``; without it every class is for testing.
    """

    def __init__(
        self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84, grey: bool = False
    ):
        self.path, self.split_path, self.size, self.grey = path, split, size, grey

    def sources(self, root: Path | None) -> list[Path]:
        """The image files, and the split file where there is one."""
        folder = self._folder(root)
        if not folder.is_dir():
            raise DataMissing(
                f"dataset imagefolder: no folder {folder}: set 'path' to a tree of class folders, absolute or below "
                "BENCHBENCH_DATA"
            )
        files = image_files(folder)
        for stray in (f for f in files if f.parent == folder):
            raise BenchbenchError(f"dataset imagefolder: {stray} stands beside the class folders, expected in one")
        _refuse_empty_classes(folder, {f.parent for f in files})
        split = self._split_file(root)
        if split is not None and not split.is_file():
            raise DataMissing(f"dataset imagefolder: no split file {split}: expected JSON with lists of class names")
        return files if split is None else [*files, split]

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every image, resized to `size`."""
        folder = self._folder(root)
        for path in image_files(folder):
            name = path.relative_to(folder)
            yield Sample(read_image(path, self.size, self.grey), name.parent.as_posix(), name.as_posix())

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        root = os.environ.get("BENCHBENCH_DATA")
        path = self._split_file(Path(root) if root else None)
        if path is None:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        try:
            parts = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BenchbenchError(f"dataset imagefolder: split file {path} cannot be read: {error}") from None
        if not isinstance(parts, dict) or set(parts) - set(PARTS) or not all(map(_is_list, parts.values())):
            raise BenchbenchError(
                f"dataset imagefolder: split file {path}: expected an object with lists of class names for "
                f"{', '.join(PARTS)} and nothing else"
            )
        return ClassSplit.by_name(table.class_names, parts, f"split file {path}")

    def _folder(self, root: Path | None) -> Path:
        return (root or Path()) / self.path

    def _split_file(self, root: Path | None) -> Path | None:
        return None if self.split_path is None else (root or Path()) / self.split_path


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _refuse_empty_classes(folder: Path, classes: set[Path]) -> None:
    """Raises BenchbenchError for a folder that holds neither an image nor another folder that does."""
    used = {used for c in classes for used in (c, *c.parents)}
    for sub in sorted(p for p in (folder, *folder.rglob("*")) if p.is_dir()):
        if sub not in used and not any(part.startswith(".") for part in sub.relative_to(folder).parts):
            raise BenchbenchError(
                f"dataset imagefolder: folder {sub} holds no image: expected files that end in "
                f"{', '.join(sorted(SUFFIXES))}, or remove it"
            )
