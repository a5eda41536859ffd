"""Records and checkpoints on disk: replaced atomically, never edited.

Correctness rests on atomic replacement and deterministic content; locks only avoid doing work twice.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from benchbench.errors import BenchbenchError
from benchbench.keys import canonical
from benchbench.records import Record


def atomic_write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` so that a reader, or a crash at any point, sees the old or the new whole. What need
    not outlive a power cut is not `durable`, and costs no wait for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if not durable:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Store:
    """A results folder: ``records/`` (JSON Lines, one file a training), ``checkpoints/``, ``logs/``, ``plans/``."""

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def open(self) -> "Store":
        """Make the folder; raises BenchbenchError where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise BenchbenchError(f"results folder {self.root} cannot be written: {error.strerror}") from None
        return self

    def record_file(self, training_key: str) -> Path:
        """Where the records of a training are."""
        return self.root / "records" / f"{training_key[:16]}.jsonl"

    def checkpoint(self, stage_key: str, name: str) -> Path:
        """Where the checkpoint `name` (``final`` or ``resume``) of a stage is."""
        return self.root / "checkpoints" / stage_key[:16] / f"{name}.safetensors"

    def log(self, training_key: str) -> Path:
        """Where the messages of a training's process go."""
        return self.root / "logs" / f"{training_key[:16]}.log"

    def progress(self, training_key: str) -> Path:
        """Where a run says how far a training is."""
        return self.root / "progress" / f"{training_key[:16]}.json"

    def lock(self, name: str, *, wait: bool = True) -> FileLock:
        """A lock that the operating system releases when its holder dies."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name[:16]}.lock", timeout=-1 if wait else 0)

    def records(self, training_key: str) -> dict[str, Record]:
        """The readable records of a training by cell key."""
        path = self.record_file(training_key)
        found, _ = _read_file(path) if path.exists() else ([], [])
        return {r.key: r for r in found}

    def add(self, training_key: str, records: Iterable[Record]) -> None:
        """Write `records` beside those that a training already has; the newest of a key stays."""
        merged = {**self.records(training_key), **{r.key: r for r in records}}
        lines = [canonical(merged[key].model_dump(mode="json")) for key in sorted(merged)]
        atomic_write(self.record_file(training_key), ("\n".join(lines) + "\n").encode())


def _read_file(path: Path) -> tuple[list[Record], list[str]]:
    records, problems = [], []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        try:
            records.append(Record.model_validate(json.loads(line)))
        except (ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            problems.append(f"{path}:{number}: not a whole record, left out ({reason})")
    return records, problems


def read_records(path: Path | str) -> tuple[list[Record], list[str]]:
    """All records below a results folder (or of one file), sorted by key, and one message for each unreadable line.

    Raises BenchbenchError where there is no such folder or file.
    """
    path = Path(path)
    if not path.exists():
        raise BenchbenchError(f"no results at {path}: expected a results folder or a .jsonl file of records")
    folder = path / "records" if (path / "records").is_dir() else path
    files = [path] if path.is_file() else sorted(folder.rglob("*.jsonl"))
    found: dict[str, Record] = {}
    problems: list[str] = []
    for file in files:
        records, bad = _read_file(file)
        found.update({r.key: r for r in records})
        problems += bad
    return [found[key] for key in sorted(found)], problems


def load_records(path: Path | str = "runs") -> list[Record]:
    """The records of a results folder; unreadable ones are reported as warnings and left out."""
    records, problems = read_records(path)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return records
