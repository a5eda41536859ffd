from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import (
    IMAGE_SUFFIXES,
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    Sample,
    SampleTable,
    UserSplit,
    found_images,
    image_files,
    located,
)
from benchbench_standard.datasets.images import read_image

#: The value of `split` that takes the parts from folders, and what these may be called.
BY_FOLDER = "folders"
PARTS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
#: The class of images that have none.
UNLABELLED = "unlabelled"


class ImageFolder(Dataset):
    """Any tree of class folders, so that a user's own data need no code.

    `path` is the tree, absolute or below ``BENCHBENCH_DATA``; a class is a folder that holds images, named by its
    path below the tree. A folder of images alone is unlabelled data: a source for pretexts, all of it for training.
    `split` says which classes are for training, validation and test: ``folders`` takes them from the tree's folders
    ``train``, ``val`` and ``test``; else see `benchbench.UserSplit` (a file, a folder of class lists, ``auto``);
    without it every class is for testing. Images are resized to `size` pixels a side, in one channel where `grey`.
    """

    locators = frozenset({"path", "split"})
    licence = "the user's own"
    citation = "the user's own"
    expects = "a tree of class folders at the setting path"

    def __init__(
        self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84, grey: bool = False
    ):
        self.path, self.size, self.grey = path, size, grey
        self.by_folder = split == BY_FOLDER
        self.user_split = UserSplit(None if self.by_folder else split, "dataset imagefolder")

    def sources(self, root: Path | None) -> list[Path]:
        """The image files."""
        folder = located(self.path, root)
        if not folder.is_dir():
            raise DataMissing(
                f"dataset imagefolder: no folder {folder}: set 'path' to a tree of class folders, absolute or below "
                "BENCHBENCH_DATA"
            )
        files = image_files(folder)
        if not files:
            ends = ", ".join(IMAGE_SUFFIXES)
            raise BenchbenchError(f"dataset imagefolder: {folder} holds no image: expected files that end in {ends}")
        beside = [f for f in files if f.parent == folder]
        if beside and len(beside) < len(files):
            raise BenchbenchError(f"dataset imagefolder: {beside[0]} stands beside the class folders, expected in one")
        if self.by_folder:
            _check_parts(folder, {f.relative_to(folder).parent.as_posix() for f in files})
        return files

    def split_sources(self, root: Path | None) -> list[Path]:
        """The split's files, where there are any."""
        return self.user_split.sources(root)

    def items(self, root: Path | None) -> Sequence[tuple[Path, str]]:
        """Every file, and its name below the tree."""
        folder = located(self.path, root)
        return [(path, path.relative_to(folder).as_posix()) for path in image_files(folder)]

    def decode(self, item: tuple[Path, str]) -> Iterable[Sample]:
        """The image, resized to `size`."""
        path, name = item
        yield Sample(read_image(path, self.size, self.grey), name.rpartition("/")[0] or UNLABELLED, name)

    def remarks(self, root: Path | None) -> list[str]:
        """What was passed over, and whether the tree has parts that `split` leaves alone."""
        folder = located(self.path, root)
        found = found_images(folder)
        tops = {f.relative_to(folder).parts[0] for f in found.files}
        if tops <= set(PARTS) and self.user_split.path is None and not self.by_folder:
            hint = f"its folders are called {', '.join(sorted(tops))}: split = {BY_FOLDER!r} makes them the parts"
            return [*found.passed_over(), f"{hint}; without it all classes are for testing"]
        return found.passed_over()

    def split(self, table: SampleTable) -> ClassSplit:
        """As the folders or the setting `split` say."""
        if self.by_folder:
            parts: dict[str, list[str]] = {}
            for name in table.class_names:
                parts.setdefault(PARTS[name.partition("/")[0]], []).append(name)
            return ClassSplit.by_name(table.class_names, parts, "split by folders")
        if table.class_names == (UNLABELLED,) and self.user_split.path is None:
            return ClassSplit(train=(0,))
        return self.user_split.split(table)


def _check_parts(folder: Path, classes: set[str]) -> None:
    """Raise BenchbenchError for a class that is in no part's folder, or in two."""
    part_of: dict[str, str] = {}
    for name in sorted(classes):
        part, _, own = name.partition("/")
        if part not in PARTS or not own:
            raise BenchbenchError(
                f"dataset imagefolder: {folder / name}: split {BY_FOLDER!r} expects class folders in folders called "
                f"{', '.join(PARTS)}"
            )
        if (other := part_of.setdefault(own, part)) != part:
            raise BenchbenchError(
                f"dataset imagefolder: class {own!r} is in {folder / other} and in {folder / part}: parts share no "
                "class; put all images of a class into one folder"
            )
