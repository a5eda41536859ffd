"""Records without their scores, and an index of them, so that no record is read twice."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from benchbench.errors import StorageError
from benchbench.store.files import atomic_write, gather, record_files
from benchbench.store.lines import decoded_lines
from benchbench.store.records import SCHEMA, Method

#: Incremented when `Brief` changes: an index of another version is ignored.
VERSION = 1
#: Up to this many new files are reread each time rather than written into an index.
FEW = 64
#: Age in seconds that a file must reach to be indexed: clocks tick coarsely, and a file replaced within one tick would
#: go unnoticed.
SETTLED = 2.0


class _Timing(msgspec.Struct):
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0


class _Line(msgspec.Struct):
    """The part of a record's line that is decoded."""

    key: str
    training_key: str
    status: str
    method: Method
    source: str
    schema_version: Annotated[int, msgspec.Meta(le=SCHEMA)] = SCHEMA
    timing: _Timing = msgspec.field(default_factory=_Timing)
    reason: str | None = None


class Brief(msgspec.Struct, array_like=True, gc=False):
    """A record without its scores."""

    key: str
    training_key: str
    status: str
    method: Method
    source: str
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    reason: str | None = None


#: Tells whether a file was replaced: modification time in nanoseconds, size in bytes, inode.
State = tuple[int, int, int]
#: The briefs of a file, each with its line number.
Lines = list[tuple[int, Brief]]


class _Index(msgspec.Struct):
    version: int
    files: list[tuple[State, Lines]]


_line = msgspec.json.Decoder(_Line)
_noted = msgspec.json.Decoder(tuple[State, Lines])


def _brief(line: bytes) -> Brief:
    r = _line.decode(line)
    spent = r.timing.train_seconds, r.timing.evaluation_seconds
    return Brief(r.key, r.training_key, r.status, r.method, r.source, *spent, r.reason)


def _state(file: str | Path) -> State:
    about = os.stat(file)
    return about.st_mtime_ns, about.st_size, about.st_ino


def _recent(results: Path) -> Path:
    # Not .jsonl, the suffix of record files.
    return results / "index" / f"recent-{VERSION}.lines"


def remember(results: Path, file: Path) -> None:
    """Note a record file that was just written, for the index. A file that cannot be noted is read when it is
    needed."""
    # No need to settle: a file that replaces this one is noted in turn, and the last line for a state counts.
    with suppress(OSError):
        state = _state(file)
        lines, problems = decoded_lines(str(file), _brief)
        recent = _recent(results)
        recent.parent.mkdir(exist_ok=True)
        # In a single write, since other runs on the store append here too.
        with open(recent, "ab", buffering=0) as out:
            if not problems:
                out.write(msgspec.json.encode((state, lines)) + b"\n")


class _Indexed:
    """Reads record files; those unchanged since they were indexed come from the index alone.

    A record file is replaced, never edited, so its state tells whether it is the one that was read. The index only
    saves time: code that decides what is to be done reads the records themselves.
    """

    def __init__(self, results: Path):
        self.path, self.recent = results / "index" / "records.msgpack", _recent(results)
        self.known: dict[State, Lines] = {}
        self.files: list[tuple[State, Lines]] = []
        self.new = 0
        with suppress(OSError, ValueError):
            held = msgspec.msgpack.decode(self.path.read_bytes(), type=_Index)
            if held.version == VERSION:
                self.known = dict(held.files)
        with suppress(OSError):
            for line in self.recent.read_bytes().splitlines():
                # A run that was killed may have left half a line.
                with suppress(ValueError):
                    state, lines = _noted.decode(line)
                    self.known[state] = lines
                self.new += 1

    def __call__(self, file: str) -> tuple[Lines, list[str]]:
        """The result of `benchbench.store.lines.decoded_lines` for a file."""
        try:
            state = _state(file)
        except OSError:
            # A link that leads nowhere.
            return decoded_lines(file, _brief)
        problems: list[str] = []
        if (lines := self.known.get(state)) is None:
            lines, problems = decoded_lines(file, _brief)
            self.new += 1
        if not problems and time.time() - state[0] / 1e9 > SETTLED:
            self.files.append((state, lines))
        return lines, problems

    def save(self) -> None:
        """Write the index if much is new; do nothing if the store cannot be written."""
        if self.new > FEW:
            with suppress(OSError, StorageError):
                atomic_write(self.path, msgspec.msgpack.encode(_Index(VERSION, self.files)), durable=False)
                self.recent.unlink(missing_ok=True)


def read_briefs(results: Path) -> tuple[list[Brief], list[str]]:
    """The records of a results folder, one per key, and one message per unreadable line or conflict. Writes an index of
    them if there are many."""
    if not (results / "records").is_dir():
        return [], []
    read = _Indexed(results)
    found = gather(results, read)
    read.save()
    return found


def each_brief(results: Path) -> Iterator[Brief]:
    """The readable records of a results folder, one at a time, since those of a large folder take a lot of memory.
    Records that share a key are all included."""
    for file in record_files(results / "records"):
        for _, brief in decoded_lines(file, _brief)[0]:
            yield brief


def seconds_of(briefs: Iterable[Brief]) -> dict[str, float]:
    """Training key -> seconds that it and its evaluations took, for trainings that are scored."""
    found: dict[str, float] = {}
    for r in briefs:
        if r.status == "ok":
            # Every record of a training holds the seconds of the whole training.
            found[r.training_key] = found.get(r.training_key, r.train_seconds) + r.evaluation_seconds
    return found
