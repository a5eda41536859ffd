"""Archives: what can be fetched, and unpacking that writes only where it was told to."""

import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from benchbench.errors import BenchbenchError

#: An archive of pictures grows little: one that would exceed both this many times its size and a gibibyte is refused.
GROWTH = 20
SMALL = 1 << 30
BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A file to fetch: its address, its checksum (``md5:...`` or ``sha256:...``) and the folder below the data folder
    that it goes to. Archives (tar, zip) are unpacked there; anything else stays as it is."""

    url: str
    checksum: str
    into: str = ""

    @property
    def name(self) -> str:
        """The file's own name: the last part of its address."""
        return self.url.rsplit("/", 1)[-1]


def is_archive(path: Path) -> bool:
    """Whether `unpack` can read a file, judged by its content."""
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a tar or zip file into `target`, all or nothing if `target` holds nothing of the same name.

    Raises BenchbenchError for a member that would end up outside `target`, for links and devices, for an archive that
    grows out of all proportion, and for a damaged one; in these cases nothing is left behind.
    """
    target.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target))
    left = max(SMALL, GROWTH * archive.stat().st_size)
    try:
        for name, content in _members(archive):
            place = work.joinpath(*_inside(name, archive))
            if content is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                while block := content.read(BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise BenchbenchError(f"archive {archive} would grow beyond {GROWTH} times its size")
                    out.write(block)
        _move_into(work, target)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise BenchbenchError(f"archive {archive} cannot be unpacked: {error}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Names and contents, None for a folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as held:
            for info in held.infolist():
                kind = info.external_attr >> 16 & 0o170000
                if kind not in (0, 0o100000, 0o040000):
                    raise BenchbenchError(f"archive {archive}: {info.filename} is a link or a device: refused")
                if info.is_dir():
                    yield info.filename, None
                else:
                    with held.open(info) as content:
                        yield info.filename, content
        return
    with tarfile.open(archive) as tape:
        for member in tape:
            if member.isdir():
                yield member.name, None
            elif member.isreg():
                yield member.name, tape.extractfile(member)
            else:
                raise BenchbenchError(f"archive {archive}: {member.name} is a link or a device: refused")
        # The checksum of a compressed tar file is at its very end, beyond what tarfile reads.
        while tape.fileobj is not None and tape.fileobj.read(BLOCK):
            pass


def _inside(name: str, archive: Path) -> tuple[str, ...]:
    """The parts of a member's name. Raises BenchbenchError for one that leads out of the target."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise BenchbenchError(f"archive {archive}: {name!r} leads out of the folder it is unpacked into: refused")
    return path.parts


def _move_into(work: Path, target: Path) -> None:
    """Rename new folders and files as a whole; add to existing folders file by file."""
    for entry in sorted(work.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _move_into(entry, place)
        else:
            os.replace(entry, place)
