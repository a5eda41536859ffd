"""Finds and drops the outdated records of a results folder."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchbench.components.registry import GROUPS, find
from benchbench.errors import BenchbenchError
from benchbench.results.consistency import settings_of
from benchbench.results.merge import whole_records
from benchbench.revisions import harness, revision_of
from benchbench.store.content import COMPONENTS
from benchbench.store.files import atomic_write
from benchbench.store.records import Record, parse_record


def outdated(records: Iterable[Record], *, installed: bool = False) -> dict[str, str]:
    """Key -> reason for the records that failed, or that a record of a newer revision replaces. With `installed`, also
    for those whose components are installed at another revision; this imports the components, and so torch."""
    records = list(records)
    found = {r.key: f"failed: {r.reason}" for r in records if r.status == "failed"}
    places: dict[str, list[tuple[Record, dict[str, int]]]] = defaultdict(list)
    for record in records:
        settings, revisions = settings_of(record)
        if record.key not in found:
            places[settings].append((record, revisions))
        if installed and record.key not in found and (reason := _other_revision(record)):
            found[record.key] = reason
    for members in places.values():
        for record, old in members:
            for newer, new in members:
                raised = [f"{name} {old[name]} -> {new[name]}" for name in old if new[name] > old[name]]
                if raised and all(new[name] >= old[name] for name in old):
                    found[record.key] = f"replaced by {newer.key[:12]}: {', '.join(raised)}"
    return found


def prune(results: Path, *, installed: bool = False, dry_run: bool = False) -> dict[str, tuple[Record, str]]:
    """Drop the outdated records of `results`; returns key -> (record, reason). With `dry_run` nothing is dropped."""
    records = {r.key: r for r in whole_records(results)}
    reasons = outdated(records.values(), installed=installed)
    if reasons and not dry_run:
        for path in sorted((results / "records").glob("*.jsonl")):
            _rewrite(path, reasons)
    return {key: (records[key], reason) for key, reason in sorted(reasons.items())}


def _rewrite(path: Path, drop: Container[str]) -> None:
    """Drop records from a file, and the file itself if none are left."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    kept = [line for line in lines if parse_record(line).key not in drop]
    if not kept:
        path.unlink()
    elif len(kept) < len(lines):
        atomic_write(path, b"\n".join(kept) + b"\n")


def _other_revision(record: Record) -> str | None:
    for part, revision in harness().items():
        if (held := revision_of(record.content, part)) != revision:
            return f"the harness has {part} revision {revision} now, not {held}"
    for place, kind, content in _components(record.content):
        try:
            revision = getattr(find(kind, content["name"]).load(), "revision", 1)
        except BenchbenchError:
            continue  # Not installed: nothing says that it is outdated.
        if revision != content["revision"]:
            return f"{place} {content['name']} has revision {revision} now, not {content['revision']}"
    return None


def _components(content: Any, key: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(place, kind, component) of every component in a content, including those that settings name."""
    if isinstance(content, list):
        for item in content:
            yield from _components(item, key)
    elif isinstance(content, dict):
        kind = content.get("kind", COMPONENTS.get(key, key))
        if {"name", "revision", "settings"} <= content.keys() and kind in GROUPS:
            yield key, kind, content
        for name, value in content.items():
            yield from _components(value, name)
