"""Records and checkpoints on disk: replaced atomically, never edited.

Correctness rests on atomic replacement and deterministic content; leases only avoid doing work twice.
"""

import os
import re
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from filelock import SoftFileLease

from benchbench.errors import BenchbenchError, StorageError
from benchbench.keys import canonical
from benchbench.store.lines import decoded_lines, lines_of, printable
from benchbench.store.records import CIRCUMSTANCES, Record, differences, is_later, parse_record, sorted_json

#: Seconds without a heartbeat after which a lease held on another machine has expired. One held on this machine expires
#: as soon as its process is gone.
LEASE = 60.0
#: The names of temporary files, as `_replace` makes them.
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}")


def atomic_write(path: Path, content: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Replace `path` with `content`, whole or in parts, so that a reader, or a crash at any point, sees the whole old
    file or the whole new one. Content that need not survive a power cut is not `durable`, which saves waiting for the
    disk. Raises StorageError, leaving the old file whole, if it cannot be written, or is no regular file: replacing a
    link would leave the file that it leads to as it was, and a device or FIFO would be gone."""
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise StorageError(f"{path} cannot be written: expected a regular file, or none")
        _replace(path, content, durable)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}; what is finished is kept, run again to go on"
        ) from error


def _replace(path: Path, content: bytes | Iterable[bytes], durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.writelines([content] if isinstance(content, bytes) else content)
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
    """The temporary files that `atomic_write` left in a folder when its process was killed: those older than any lease
    can be, by the file system's own clock."""
    found = [path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name)]
    if not found:
        return []
    with tempfile.TemporaryFile(dir=folder) as now:
        latest = os.fstat(now.fileno()).st_mtime - LEASE
    old = []
    for path in sorted(found):
        # Its writer may be done with it by now.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < latest:
                old.append(path)
    return old


class Keyed(Protocol):
    """What a line of a record file is decoded to."""

    @property
    def key(self) -> str: ...


class Wanted(Keyed, Protocol):
    """What tells where a record is."""

    @property
    def training_key(self) -> str: ...


T = TypeVar("T", bound=Keyed)
#: What `benchbench.store.lines.decoded_lines` makes of a file.
Read = Callable[[str], tuple[list[tuple[int, T]], list[str]]]


class Store:
    """A results folder: ``records/`` (JSON Lines, one file per training), ``checkpoints/``, ``features/``, ``logs/``,
    ``plans/``."""

    def __init__(self, root: Path | str):
        self.root = Path(root)

    def open(self) -> "Store":
        """Create the folder. Raises BenchbenchError if it cannot be written."""
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

    @property
    def features(self) -> Path:
        """Where features of pretrained encoders are, which can always be made again."""
        return self.root / "features"

    def log(self, training_key: str) -> Path:
        """Where the messages of a training's process go."""
        return self.root / "logs" / f"{training_key[:16]}.log"

    def progress(self, training_key: str) -> Path:
        """Where a run notes how far a training has got."""
        return self.root / "progress" / f"{training_key[:16]}.json"

    def lease(self, key: str) -> SoftFileLease:
        """The right to work on a stage or training, not acquired yet: a file that names its holder (host, process,
        start, nonce) and is touched while its process is alive. Works where `flock` does not. Watchers age it by their
        own monotonic clock, so a clock that jumps cannot expire it."""
        return SoftFileLease(self.root / "leases" / f"{key[:16]}.lease", lease_duration=LEASE)

    def records(self, training_key: str) -> dict[str, Record]:
        """The readable records of a training by cell key."""
        path = self.record_file(training_key)
        found, _ = decoded_lines(str(path), parse_record) if path.exists() else ([], [])
        return {r.key: r for _, r in found}

    def add(self, training_key: str, records: Iterable[Record]) -> None:
        """Add `records` to those that a training already has; for each key the newest is kept. So are the lines of a
        later version, which this one cannot read."""
        merged = {**self.records(training_key), **{r.key: r for r in records}}
        lines = [canonical(merged[key].model_dump(mode="json")).encode() for key in sorted(merged)]
        path = self.record_file(training_key)
        later = [line for _, line in lines_of(path) if is_later(line)] if path.exists() else []
        atomic_write(path, b"".join(line + b"\n" for line in [*lines, *later]))


def read_records(path: Path | str) -> tuple[list[Record], list[str]]:
    """All records below a results folder (or in one file), sorted by key, and one message per unreadable line or
    conflict; see `read_lines`."""
    return read_lines(path, parse_record)


class RecordReader:
    """Reads some records of a large results folder by key, a few at a time: those in files that are named after their
    training, as a store names them."""

    def __init__(self, results: Path):
        self._folder = results / "records"

    def __call__(self, wanted: Iterable[Wanted]) -> dict[str, Record]:
        """Those of the `wanted` that are there."""
        keys: dict[str, set[str]] = {}
        for one in wanted:
            keys.setdefault(one.training_key[:16], set()).add(one.key)
        files = ((self._file(name), of) for name, of in keys.items())
        return {r.key: r for file, of in files if file for _, r in decoded_lines(file, parse_record)[0] if r.key in of}

    def _file(self, name: str) -> str | None:
        path = self._folder / f"{name}.jsonl"
        return str(path) if path.exists() else self._elsewhere.get(path.name)

    @cached_property
    def _elsewhere(self) -> dict[str, str]:
        return {os.path.basename(file): file for file in record_files(self._folder)}


def read_lines(path: Path | str, decode: Callable[[bytes], T]) -> tuple[list[T], list[str]]:
    """What `decode` returns for each line of the record files below a results folder (or of one file), sorted by key,
    and one message per unreadable line or conflict. Nothing else of a line is kept.

    Of several records with the same key one is kept, whatever the order of the files: an ok one before a failed one,
    then the first by content. They conflict if they differ in more than `CIRCUMSTANCES` and none of them failed. Raises
    BenchbenchError if there is no such folder or file.
    """
    return gather(path, lambda file: decoded_lines(file, decode))


def gather(path: Path | str, read: Read[T]) -> tuple[list[T], list[str]]:
    """Like `read_lines`, but `read` returns for each file what `decoded_lines` does, from the file or from memory."""
    path = Path(path)
    if not path.exists():
        raise BenchbenchError(f"no results at {path}: expected a results folder or a .jsonl file of records")
    folder = path / "records" if (path / "records").is_dir() else path
    found: dict[str, T] = {}
    # Where each record is: known only once two share a key, since it would take as much memory as a table.
    places: dict[str, tuple[str, int]] = {}
    problems: list[str] = []
    files = [str(path)] if path.is_file() else record_files(folder)
    for nth, file in enumerate(files):
        items, unreadable = read(file)
        problems += unreadable
        for number, item in items:
            if (key := item.key) in found:
                if not places:
                    places = _places(files[: nth + 1], read)
                # Both lines are read again rather than kept.
                other, place = places[key]
                earlier, later = _line(other, place, problems), _line(file, number, problems)
                if later is None:
                    continue
                stays, conflict = preferred(earlier, later) if earlier else (later, "")
                if conflict:
                    problems.append(f"{file}:{number} and {other}:{place}: two records of cell {key[:16]} {conflict}")
                if stays is earlier:
                    continue
            if places:
                places[key] = file, number
            found[key] = item
    return [found[key] for key in sorted(found)], problems


def _places(files: list[str], read: Read[T]) -> dict[str, tuple[str, int]]:
    """File and line of the first record of each key."""
    found: dict[str, tuple[str, int]] = {}
    for file in files:
        for number, item in read(file)[0]:
            found.setdefault(item.key, (file, number))
    return found


def _line(file: str, number: int, problems: list[str]) -> Record | None:
    """The record in a line. None, and a message more, if it is not whole: `gather` may have read a part of it alone."""
    found, unreadable = decoded_lines(file, parse_record)
    problems += [problem for problem in unreadable if problem.startswith(f"{printable(file)}:{number}: ")]
    return next((record for n, record in found if n == number), None)


def record_files(folder: Path) -> list[str]:
    """The sorted paths of the record files below a folder; empty if there is no such folder. Raises OSError for a
    folder that cannot be read."""
    # `rglob` and a `Path` per file take several times as long, which shows with tens of thousands of files.
    folders = os.walk(folder, onerror=_raise) if folder.exists() else ()
    # A folder of such a name is listed too, so that reading it says what it is.
    walked = [(base, n) for base, inner, names in folders for n in (*names, *inner) if n.endswith(".jsonl")]
    return [os.path.join(base, name) for base, name in sorted(walked)]


def _raise(error: OSError) -> NoReturn:
    # By default a walk skips what it cannot read, and `benchbench gc` would take its checkpoints to be unneeded.
    raise error


def preferred(first: Record, second: Record) -> tuple[Record, str]:
    """Which of two records with the same key is kept, and how they conflict; empty if they do not."""
    ranks = [(r.status != "ok", *_texts(r)) for r in (first, second)]
    # On a tie they are the same.
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
