"""The files that a dataset is read from: whether they changed, and what they hold."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from benchbench.errors import DataMissing
from benchbench.userfiles import check_file_name


def home(files: Sequence[Path]) -> str:
    """The folder that all files share, or the only file: together with settings, it tells prepared tables apart."""
    # Resolve each folder once, not once per file.
    folder_of = functools.cache(os.path.realpath)
    found = set()
    for path in map(str, files):
        folder, name = os.path.split(path)
        found.add(os.path.realpath(path) if os.path.islink(path) else os.path.join(folder_of(folder), name))
    if len(found) > 1:
        return os.path.commonpath({os.path.dirname(path) for path in found})
    return found.pop() if found else ""


def signature(files: Sequence[Path], where: str) -> str:
    """A hash of files' names, sizes and times. Raises DataMissing if a listed file is not there,
    BenchbenchError if its name is not UTF-8."""
    digest = hashlib.sha256()
    for path in files:
        check_file_name(path, f"dataset {where}")
        try:
            status = path.stat()
        except OSError as error:
            raise DataMissing(f"dataset {where}: {path} cannot be read ({error.strerror}): put it there") from None
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def digests(files: Sequence[Path], root: Path | None) -> dict[str, str]:
    """The SHA-256 of each file, by its name below the folder that all share. If some are below the data folder `root`
    and others elsewhere (an installed package's fonts), each group has its own shared folder: one common to both would
    be an accident of the machine."""
    inside = [path for path in files if root is not None and path.is_relative_to(root)]
    below = set(inside)
    elsewhere = [path for path in files if path not in below]
    if inside and elsewhere:
        groups = {"data/": inside, "elsewhere/": elsewhere}
    else:
        groups = {"": list(files)}
    found = {}
    for prefix, members in groups.items():
        common = Path(os.path.commonpath(members)) if len(members) > 1 else members[0].parent if members else Path()
        for path in members:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[prefix + path.relative_to(common).as_posix()] = digest
    return found


def content_hash(found: dict[str, str]) -> str:
    """One hash of `digests`: of the bytes and names of the source files, wherever they are."""
    digest = hashlib.sha256()
    for name, value in found.items():
        digest.update(name.encode())
        digest.update(bytes.fromhex(value))
    return digest.hexdigest()
