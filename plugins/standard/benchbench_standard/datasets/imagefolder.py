from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable
from benchbench_standard.datasets.images import SUFFIXES, image_files, read_image
from benchbench_standard.datasets.user_split import UserSplit


class ImageFolder(Dataset):
    """Any tree of class folders, so that a user's own data need no code.

    `path` is the tree, absolute or below ``BENCHBENCH_DATA``; a class is a folder that holds images, named by its
    path below the tree. `split` is a JSON file ``{"train": [...], "valid": [...], "test": [...]}`` of class names,
    absolute or below ``BENCHBENCH_DATA``; without it every class is for testing. Images are resized to
    `size` pixels a side, in one channel where `grey`.
    """

    locators = frozenset({"path", "split"})
    licence = "the user's own"
    citation = "the user's own"
    expects = "a tree of class folders at the setting path"

    def __init__(
        self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84, grey: bool = False
    ):
        self.path, self.size, self.grey = path, size, grey
        self.user_split = UserSplit(split, "dataset imagefolder")

    def sources(self, root: Path | None) -> list[Path]:
        """The image files."""
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
        return files

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split file, where there is one."""
        return self.user_split.sources(root)

    def items(self, root: Path | None) -> Sequence[tuple[Path, str]]:
        """Every file, and its name below the tree."""
        folder = self._folder(root)
        return [(path, path.relative_to(folder).as_posix()) for path in image_files(folder)]

    def decode(self, item: tuple[Path, str]) -> Iterable[Sample]:
        """The image, resized to `size`."""
        path, name = item
        yield Sample(read_image(path, self.size, self.grey), name.rpartition("/")[0], name)

    def split(self, table: SampleTable) -> ClassSplit:
        """As the split file says."""
        return self.user_split.split(table)

    def _folder(self, root: Path | None) -> Path:
        return (root or Path()) / self.path


def _refuse_empty_classes(folder: Path, classes: set[Path]) -> None:
    """Raises BenchbenchError for a folder that holds neither an image nor another folder that does."""
    used = {used for c in classes for used in (c, *c.parents)}
    for sub in sorted(p for p in (folder, *folder.rglob("*")) if p.is_dir()):
        if sub not in used and not any(part.startswith(".") for part in sub.relative_to(folder).parts):
            raise BenchbenchError(
                f"dataset imagefolder: folder {sub} holds no image: expected files that end in "
                f"{', '.join(sorted(SUFFIXES))}, or remove it"
            )
