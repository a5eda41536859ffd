"""Merging several results folders into one."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from benchbench.errors import BenchbenchError
from benchbench.store.files import Store, Wanted, gather, preferred, read_records
from benchbench.store.lines import decoded_lines
from benchbench.store.records import ORIGINS, Origin, Record, differences, parse_record
from benchbench.store.scan import scan

W = TypeVar("W", bound=Wanted)


def whole_records(results: Path) -> list[Record]:
    """All records of a folder that is to be rewritten or verified.

    Raises BenchbenchError if a line is unreadable: leaving it out would lose it, or verify less than claimed.
    """
    records, problems = read_records(results)
    if problems:
        raise BenchbenchError("; ".join(problems))
    return records


def write_records(records: Iterable[Record], results: Path) -> None:
    """Add `records` to a results folder, replacing the file of each training atomically."""
    store = Store(results).open()
    for key, of_training in _by_training(records):
        store.add(key, of_training)


def _by_training(parts: Iterable[W]) -> list[tuple[str, list[W]]]:
    trainings: dict[str, list[W]] = defaultdict(list)
    for part in parts:
        trainings[part.training_key].append(part)
    return sorted(trainings.items())


class _Place(msgspec.Struct, gc=False):
    """Where a record is, and what decides whether it is kept: no more, so that a million can be merged."""

    key: str
    training_key: str
    failed: bool
    origin: Origin
    file: str

    @property
    def trust(self) -> tuple[bool, int]:
        """The less, the more it counts."""
        return self.failed, ORIGINS.index(self.origin)


def _whole(places: list[_Place]) -> list[Record]:
    """The records there, each file read once."""
    files = {place.key: place.file for place in places}
    found: dict[str, Record] = {}
    for file in dict.fromkeys(files.values()):
        for _, r in decoded_lines(file, parse_record)[0]:
            if files.get(r.key) == file:
                found[r.key] = preferred(found[r.key], r)[0] if r.key in found else r
    return list(found.values())


def merge(folders: Iterable[Path], into: Path) -> tuple[int, list[str]]:
    """Write the records of all `folders` into `into`, beside those that it already holds; returns how many it holds
    then, and the conflicts.

    Of two records with the same key the first is kept, except that our own is preferred to an external one, and an ok
    one to a failed one. If there is a conflict (one key, two outcomes), nothing is written. Records are read whole a
    training at a time, or where two share a key.
    """
    merged: dict[str, tuple[Path, _Place]] = {}
    conflicts = []
    for folder in [into, *folders] if into.exists() else folders:
        for place in _places(folder):
            other, first = merged.setdefault(place.key, (folder, place))
            if first is place:
                continue
            if not (first.failed or place.failed) and (differ := differences(*_whole([first]), *_whole([place]))):
                conflicts.append(f"{label(*_whole([place]))}: {other} and {folder} differ in {', '.join(differ)}")
            elif place.trust < first.trust:
                merged[place.key] = folder, place
    if not conflicts:
        store = Store(into).open()
        for key, places in _by_training(place for folder, place in merged.values() if folder != into):
            store.add(key, _whole(places))
    return len(merged), conflicts


def _places(folder: Path) -> list[_Place]:
    """Those of the records of a folder. Raises BenchbenchError if a line is unreadable."""

    def read(file: str) -> tuple[list[tuple[int, _Place]], list[str]]:
        def place(line: bytes) -> _Place:
            found = scan(line)
            return _Place(found.key, found.training_key, found.status == "failed", found.origin, file)

        return decoded_lines(file, place)

    places, problems = gather(folder, read)
    if problems:
        raise BenchbenchError("; ".join(problems))
    return places


def label(record: Record) -> str:
    """How messages name a record."""
    method = f"{record.method.label} ({record.method.backbone}, {record.method.regime})"
    return f"{record.key[:12]} {method} on {record.target} {record.protocol}, seed {record.seed}"
