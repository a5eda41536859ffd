"""Merging several results folders into one."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.store.files import Store, read_records
from benchbench.store.records import ORIGINS, Record, differences


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
    trainings: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        trainings[record.training_key].append(record)
    store = Store(results).open()
    for key in sorted(trainings):
        store.add(key, trainings[key])


def merge(folders: Iterable[Path], into: Path) -> tuple[list[Record], list[str]]:
    """Write the records of all `folders` into `into`, along with those it already holds; returns (records, conflicts).

    Of two records with the same key the first is kept, except that our own is preferred to an external one, and an ok
    one to a failed one. If there is a conflict (one key, two outcomes), nothing is written.
    """
    sources = [into, *folders] if into.exists() else list(folders)
    merged: dict[str, tuple[Path, Record]] = {}
    conflicts = []
    for folder in sources:
        for record in whole_records(folder):
            if record.key not in merged:
                merged[record.key] = folder, record
                continue
            other, first = merged[record.key]
            if first.status == record.status == "ok" and (differ := differences(first, record)):
                conflicts.append(f"{label(record)}: {other} and {folder} differ in {', '.join(differ)}")
            elif (record.status, record.origin) != (first.status, first.origin):
                merged[record.key] = min(merged[record.key], (folder, record), key=_trust)
    records = [record for _, record in merged.values()]
    if not conflicts:
        write_records(records, into)
    return records, conflicts


def label(record: Record) -> str:
    """How messages name a record."""
    method = f"{record.method.label} ({record.method.backbone}, {record.method.regime})"
    return f"{record.key[:12]} {method} on {record.target} {record.protocol}, seed {record.seed}"


def _trust(candidate: tuple[Path, Record]) -> tuple[bool, int]:
    return candidate[1].status != "ok", ORIGINS.index(candidate[1].origin)
