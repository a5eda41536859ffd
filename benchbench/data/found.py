"""The image files below a folder, and what is passed over there."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchbench.errors import BenchbenchError

#: How the names of image files end, in lower case.
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
ENDS = ", ".join(IMAGE_SUFFIXES)
#: Folders that archivers add to what they pack.
FOREIGN = {"__MACOSX"}
#: Folders that are named one by one.
SHOWN = 5


class Found(NamedTuple):
    """The image files below a folder, sorted, and what was passed over: files by the end of their names, folders
    without an image, and folders that an archiver added."""

    files: list[Path]
    others: Counter[str]
    empty: list[str]
    foreign: list[str]

    def passed_over(self) -> list[str]:
        """A line each."""
        said = []
        if self.others:
            ends = ", ".join(f"{end or 'nothing'} {count}" for end, count in sorted(self.others.items()))
            said.append(f"{self.others.total()} files that end in none of {ENDS}: {ends}")
        for what, names in (("folders without an image", self.empty), ("folders of an archiver", self.foreign)):
            if names:
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                said.append(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}")
        return [f"passed over: {line}" for line in said]


def image_files(folder: Path) -> list[Path]:
    """Every image file below a folder, sorted; links are followed, hidden files and folders passed over."""
    return found_images(folder).files


def found_images(folder: Path) -> Found:
    """What `image_files` returns, and what it passes over. Raises BenchbenchError for a folder that may not be read."""
    # No `Path` before the end: they take several times as long, and datasets have a hundred thousand files.
    found, others, foreign, empty = [], Counter[str](), [], []
    top = str(folder)
    # The real folders that each one is in: a link to one of them would lead in a circle.
    above = {top: {os.path.realpath(top)}}
    bases = []
    for base, folders, names in os.walk(top, onerror=_refuse, followlinks=True):
        around = above.pop(base)
        bases.append(base)
        foreign += [os.path.join(base, name) for name in folders if name in FOREIGN]
        real = {name: os.path.realpath(os.path.join(base, name)) for name in folders}
        folders[:] = [n for n in folders if not n.startswith(".") and n not in FOREIGN and real[n] not in around]
        above |= {os.path.join(base, name): {*around, real[name]} for name in folders}
        shown = [(os.path.splitext(name)[1].lower(), name) for name in names if not name.startswith(".")]
        found += [os.path.join(base, name) for end, name in shown if end in IMAGE_SUFFIXES]
        others.update(end for end, _ in shown if end not in IMAGE_SUFFIXES)
    used = {os.path.dirname(path) for path in found}
    for base in reversed(bases):
        # Folders below come after those that they are in.
        if base in used:
            used.add(os.path.dirname(base))
        elif base != top:
            empty.append(os.path.relpath(base, top))
    files = [Path(path) for path in sorted(found, key=lambda path: path.split(os.sep))]
    return Found(files, others, sorted(empty), sorted(os.path.relpath(path, top) for path in foreign))


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise BenchbenchError(f"folder {error.filename} cannot be read: {error.strerror}")
