"""Records and checkpoints on disk: replaced atomically, never edited.

Correctness rests on atomic replacement and deterministic content; leases only avoid doing work twice.
"""

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from filelock import SoftFileLease

from benchbench.errors import BenchbenchError, StorageError
from benchbench.keys import canonical
from benchbench.store.records import CIRCUMSTANCES, Record, differences, parse_record, sorted_json

#: Seconds without a heartbeat after which a lease of another machine is nobody's. One of this machine is, as soon as
#: its process is gone.
LEASE = 60.0
#: The names of temporary files, as `_replace` makes them.
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}")


def atomic_write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` so that a reader, or a crash at any point, sees the old or the new whole. What need
    not outlive a power cut is not `durable`, and costs no wait for the disk. Raises StorageError, and leaves the old
    whole, where it cannot be written."""
    try:
        _replace(path, content, durable)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}; what is finished is kept, run again to go on"
        ) from error


def _replace(path: Path, content: bytes, durable: bool) -> None:
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


def half_written(folder: Path) -> list[Path]:
    """What `atomic_write` left in a folder where its process was killed: its temporary files, when no lease can be as
    old as they are. Age is told by the file system's own clock."""
    found = [path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name)]
    if not found:
        return []
    with tempfile.TemporaryFile(dir=folder) as now:
        latest = os.fstat(now.fileno()).st_mtime - LEASE
    old = []
    for path in sorted(found):
        # Whoever writes it may be done with it by now.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < latest:
                old.append(path)
    return old


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

    def lease(self, key: str) -> SoftFileLease:
        """The right to work at a stage or training: a file that names its holder (host, process, start, nonce) and is
        touched as long as he lives. Works where `flock` does not, and watchers age it by their own steady clock, so
        that no clock that jumps can take it away. Not acquired yet."""
        return SoftFileLease(self.root / "leases" / f"{key[:16]}.lease", lease_duration=LEASE)

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


class Keyed(Protocol):
    """What a line of a record file is decoded to."""

    @property
    def key(self) -> str: ...


T = TypeVar("T", bound=Keyed)


def _read_file(path: Path) -> tuple[list[Record], list[str]]:
    records, problems = [], []
    for number, line in _lines(path):
        try:
            records.append(parse_record(line))
        except ValueError as error:
            problems.append(_unreadable(path, number, error))
    return records, problems


def _lines(path: Path | str) -> Iterator[tuple[int, bytes]]:
    # No `Path`: to make one takes as long as to read the file. Split at line feeds alone: names and reasons may hold
    # what Unicode calls a line separator.
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    return ((n, line) for n, line in enumerate(lines, 1) if line.strip())


def _unreadable(path: Path | str, number: int, error: ValueError) -> str:
    return f"{path}:{number}: not a whole record, left out ({str(error).splitlines()[0]})"


def read_records(path: Path | str) -> tuple[list[Record], list[str]]:
    """All records below a results folder (or of one file), sorted by key, and one message for each unreadable line and
    each conflict: see `read_lines`."""
    return read_lines(path, parse_record)


def read_lines(path: Path | str, decode: Callable[[bytes], T]) -> tuple[list[T], list[str]]:
    """What `decode` makes of each line of the record files below a results folder (or of one file), sorted by key, and
    one message for each unreadable line and each conflict. Nothing else of a line is kept.

    Of several records of one key one stays, whatever the order of the files: a whole one before a failed one, then the
    first by content. They conflict where they differ in more than `CIRCUMSTANCES` and none of them failed.
    Raises BenchbenchError where there is no such folder or file.
    """
    return gather(path, lambda file: decoded_lines(file, decode))


def decoded_lines(file: str, decode: Callable[[bytes], T]) -> tuple[list[tuple[int, T]], list[str]]:
    """(number, what `decode` makes of it) of each line of one file, and one message for each unreadable line."""
    found, problems = [], []
    for number, line in _lines(file):
        try:
            found.append((number, decode(line)))
        except ValueError as error:
            problems.append(_unreadable(file, number, error))
    return found, problems


def gather(path: Path | str, read: Callable[[str], tuple[list[tuple[int, T]], list[str]]]) -> tuple[list[T], list[str]]:
    """`read_lines`, where `read` gives of each file what `decoded_lines` gives, from the file or from memory."""
    path = Path(path)
    if not path.exists():
        raise BenchbenchError(f"no results at {path}: expected a results folder or a .jsonl file of records")
    folder = path / "records" if (path / "records").is_dir() else path
    found: dict[str, T] = {}
    places: dict[str, tuple[str, int]] = {}
    problems: list[str] = []
    for file in [str(path)] if path.is_file() else record_files(folder):
        items, unreadable = read(file)
        problems += unreadable
        for number, item in items:
            if (key := item.key) in found:
                # Rare: both lines are read again rather than kept.
                other, place = places[key]
                earlier, later = (parse_record(_line(*at)) for at in ((other, place), (file, number)))
                stays, conflict = preferred(earlier, later)
                if conflict:
                    problems.append(f"{file}:{number} and {other}:{place}: two records of cell {key[:16]} {conflict}")
                if stays is earlier:
                    continue
            found[key], places[key] = item, (file, number)
    return [found[key] for key in sorted(found)], problems


def _line(file: str, number: int) -> bytes:
    return next(text for n, text in _lines(file) if n == number)


def record_files(folder: Path) -> list[str]:
    """The paths of the files of records below a folder, sorted; none where there is no such folder. Raises OSError for
    a folder that cannot be read."""
    # `rglob`, and a `Path` for each, take several times as long, which shows where there are ten thousands of them.
    folders = os.walk(folder, onerror=_raise) if folder.exists() else ()
    walked = [(base, name) for base, _, names in folders for name in names if name.endswith(".jsonl")]
    return [os.path.join(base, name) for base, name in sorted(walked)]


def _raise(error: OSError) -> NoReturn:
    # Left alone, a walk leaves out what it cannot read, and `benchbench gc` would hold its checkpoints for nobody's.
    raise error


def preferred(first: Record, second: Record) -> tuple[Record, str]:
    """Which of two records of one key stays, and what they conflict in; empty where they do not."""
    ranks = [(r.status != "ok", *_texts(r)) for r in (first, second)]
    # At a tie they are the same.
    stays = second if ranks[1] < ranks[0] else first
    if "failed" in (first.status, second.status) or not (differ := differences(first, second)):
        return stays, ""
    return stays, f"differ in {', '.join(differ)}: the first by content is used"


def _texts(record: Record) -> tuple[str, str]:
    whole = record.model_dump(mode="json")
    return sorted_json({name: v for name, v in whole.items() if name not in CIRCUMSTANCES}), sorted_json(whole)


def load_records(path: Path | str = "runs") -> list[Record]:
    """The records of a results folder; unreadable ones are reported as warnings and left out."""
    records, problems = read_records(path)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return records
