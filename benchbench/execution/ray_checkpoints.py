"""Checkpoints between machines: where they are kept, and which of those in a scratch store have changed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from benchbench.errors import BenchbenchError, StorageError
from benchbench.store.files import atomic_write

PATTERN = "*.safetensors"


class Place(Protocol):
    """Keeps checkpoint files by name, ``<first 16 digits of the stage's key>/<resume, best or final>.safetensors``."""

    def read(self, stages: Iterable[str]) -> dict[str, bytes]:
        """The existing files of these stages."""
        ...

    def write(self, name: str, content: bytes | None) -> None:
        """Replace a file atomically; None removes it. Raises StorageError."""
        ...


class Folder:
    """A folder on this machine, or one that every machine mounts at the same path."""

    def __init__(self, root: Path):
        self.root = root

    def read(self, stages: Iterable[str]) -> dict[str, bytes]:
        """See `Place`."""
        paths = [path for key in stages for path in sorted((self.root / key[:16]).glob(PATTERN))]
        return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}

    def write(self, name: str, content: bytes | None) -> None:
        """See `Place`."""
        if content is None:
            (self.root / name).unlink(missing_ok=True)
        else:
            atomic_write(self.root / name, content)


class Url:
    """A folder at an address that fsspec can open, such as ``s3://bucket/runs``. Raises BenchbenchError for any
    other."""

    def __init__(self, url: str):
        import fsspec

        try:
            self.files, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise BenchbenchError(f"checkpoints {url}: fsspec cannot open it: {error}") from None

    def read(self, stages: Iterable[str]) -> dict[str, bytes]:
        """See `Place`."""
        paths = [path for key in stages for path in self.files.glob(f"{self.root}/{key[:16]}/{PATTERN}")]
        return {"/".join(path.split("/")[-2:]): self.files.cat_file(path) for path in paths}

    def write(self, name: str, content: bytes | None) -> None:
        """See `Place`. A file is written next to its destination and then moved there."""
        path = f"{self.root}/{name}"
        try:
            if content is not None:
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.files.pipe_file(f"{path}.part", content)
                self.files.mv(f"{path}.part", path)
            elif self.files.exists(path):
                self.files.rm_file(path)
        except Exception as error:
            # Each kind of storage raises its own errors.
            raise StorageError(f"{path} cannot be written: {error}; what is finished is kept") from error


def place(where: str) -> Place:
    """The place that a path or an fsspec URL refers to."""
    return Url(where) if "://" in where else Folder(Path(where))


class Watched:
    """The ``checkpoints/`` of a scratch store, which starts out with the given files."""

    def __init__(self, root: Path, files: dict[str, bytes]):
        self.root = root
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        self.seen = self._states()

    def _states(self) -> dict[str, tuple[int, int]]:
        states = {}
        for path in sorted(self.root.glob(f"*/{PATTERN}")):
            about = path.stat()
            # Files are replaced, never edited, so a new one has a different inode.
            states[f"{path.parent.name}/{path.name}"] = (about.st_ino, about.st_mtime_ns)
        return states

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """(name, content) of each file that is new since the last call, (name, None) of each that is gone. Must be
        called by the thread that writes them."""
        states = self._states()
        for name in sorted({*states, *self.seen}):
            if states.get(name) != self.seen.get(name):
                yield name, (self.root / name).read_bytes() if name in states else None
        self.seen = states
