from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import (
    IMAGE_SUFFIXES,
    PART_NAMES,
    BenchbenchError,
    ClassSplit,
    ComponentRef,
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

#: The values of `split` that take the parts from folders: the classes of each, or the images of the same classes.
BY_FOLDER, BY_SAMPLE = "folders", "samples"
#: The class of images that have none.
UNLABELLED = "unlabelled"


class ImageFolder(Dataset):
    """Any tree of class folders, so that a user's own data need no code.

    `path` is the tree, absolute or below ``BENCHBENCH_DATA``; a class is a folder that holds images, named by its
    path below the tree. A folder of images alone is unlabelled data: a source for pretexts, all of it for training.
    `split` says which classes are for training, validation and test: ``folders`` takes them from the tree's folders
    ``train``, ``val`` and ``test``; ``samples`` is for a target whose folders ``train`` and ``test`` have the same
    classes: protocols that fit on a target fit on the one and score on the other; else see `benchbench.UserSplit` (a
    file, a folder of class lists, ``auto``); without it every class is for testing. Images are resized to `size`
    pixels a side, in one channel where `grey`.
    """

    locators = frozenset({"path", "split"})
    split_settings = frozenset({"split"})
    licence = "the user's own"
    citation = "the user's own"
    expects = "a tree of class folders at the setting path"

    def __init__(
        self, *, path: str, split: str | None = None, size: Annotated[int, Field(ge=8)] = 84, grey: bool = False
    ):
        self.path, self.size, self.grey = path, size, grey
        self.by_folder, self.by_sample = split == BY_FOLDER, split == BY_SAMPLE
        self.user_split = UserSplit(None if self.by_folder or self.by_sample else split, "dataset imagefolder")

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
        classes = {f.relative_to(folder).parent.as_posix() for f in files}
        if self.by_folder:
            _check_parts(folder, classes)
        if self.by_sample:
            _check_samples(folder, classes)
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
        label = name.rpartition("/")[0] or UNLABELLED
        if self.by_sample:
            label = label.partition("/")[2]
        yield Sample(read_image(path, self.size, self.grey), label, name)

    def table_of(self, ref: ComponentRef) -> ComponentRef:
        """Class names depend on `split` where it takes the parts from folders."""
        return ref if self.by_folder or self.by_sample else super().table_of(ref)

    def remarks(self, root: Path | None) -> list[str]:
        """What was passed over, and whether the tree has parts that `split` leaves alone."""
        folder = located(self.path, root)
        found = found_images(folder)
        tops = {f.relative_to(folder).parts[0] for f in found.files}
        if tops <= set(PART_NAMES) and self.user_split.path is None and not (self.by_folder or self.by_sample):
            hint = f"its folders are called {', '.join(sorted(tops))}: split = {BY_FOLDER!r} makes them the parts"
            same = f"{BY_SAMPLE!r} divides the images of the same classes"
            return [*found.passed_over(), f"{hint}, {same}; without it all classes are for testing"]
        return found.passed_over()

    def split(self, table: SampleTable) -> ClassSplit:
        """As the folders or the setting `split` say."""
        if self.by_folder:
            parts: dict[str, list[str]] = {}
            for name in table.class_names:
                parts.setdefault(PART_NAMES[name.partition("/")[0]], []).append(name)
            return ClassSplit.by_name(table.class_names, parts, "split by folders")
        if self.by_sample:
            tests = tuple(i for i, name in enumerate(table.files) if name.partition("/")[0] == "test")
            return ClassSplit(test=tuple(range(len(table.class_names))), test_rows=tests)
        if table.class_names == (UNLABELLED,) and self.user_split.path is None:
            return ClassSplit(train=(0,))
        return self.user_split.split(table)


def _check_parts(folder: Path, classes: set[str]) -> None:
    """Raise BenchbenchError for a class that is in no part's folder, or in two."""
    part_of: dict[str, str] = {}
    for name in sorted(classes):
        part, _, own = name.partition("/")
        if part not in PART_NAMES or not own:
            raise BenchbenchError(
                f"dataset imagefolder: {folder / name}: split {BY_FOLDER!r} expects class folders in folders called "
                f"{', '.join(PART_NAMES)}"
            )
        if (other := part_of.setdefault(own, part)) != part:
            raise BenchbenchError(
                f"dataset imagefolder: class {own!r} is in {folder / other} and in {folder / part}: parts share no "
                f"class; for a target, split = {BY_SAMPLE!r} divides the images of the same classes"
            )


def _check_samples(folder: Path, classes: set[str]) -> None:
    """Raise BenchbenchError unless the folders ``train`` and ``test`` have the same classes, and there is no other."""
    found: dict[str, set[str]] = {"train": set(), "test": set()}
    for name in sorted(classes):
        part, _, own = name.partition("/")
        if part not in found or not own:
            raise BenchbenchError(
                f"dataset imagefolder: {folder / name}: split {BY_SAMPLE!r} expects class folders in folders called "
                "train and test"
            )
        found[part].add(own)
    if differ := sorted(found["train"] ^ found["test"]):
        raise BenchbenchError(
            f"dataset imagefolder: {folder}: split {BY_SAMPLE!r} expects the same classes in train and test; only one "
            f"has: {', '.join(differ[:5])}{', ...' if len(differ) > 5 else ''}"
        )
