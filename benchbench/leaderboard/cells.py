"""Cells of records. A record of 600 episodes is mostly scores and curve; tables need only its summary, so `read_cells`
skips those while parsing: several times as fast as building records, and light on memory.
"""

import gc
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from benchbench.components.registry import find, shortest
from benchbench.errors import BenchbenchError
from benchbench.leaderboard.cell import Cell, Tested, Trained
from benchbench.leaderboard.parts_of_cells import IMAGES, OF_TESTED, OF_TRAINED, Parts, tested, trained
from benchbench.store.files import preferred, read_lines
from benchbench.store.records import Record, Summary, shown
from benchbench.store.scan import Line, scan

P = TypeVar("P", Trained, Tested)

__all__ = ["Cell", "by_modality", "cells_of", "meant", "read_cells", "summary", "uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch off the cyclic garbage collector, which would walk a hundred thousand cells again and again, although
    nothing that tables make of them is cyclic. Also a decorator."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def summary(record: Record) -> Summary:
    """The summary of the metric that tables show."""
    return record.summary[shown(record.summary)]


@uncollected()
def read_cells(path: Path | str) -> tuple[list[Cell], list[str]]:
    """The cells of the records below a results folder, sorted by key, and problems as
    `benchbench.store.files.read_records` reports them. Cells have no `record`; scores are skipped, not validated."""
    return read_lines(path, Decoder())


class Decoder:
    """Makes a cell of each line."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._training, self._seconds = "", 0.0

    def __call__(self, line: bytes) -> Cell:
        found = scan(line)
        if isinstance(found, Record):
            return _of(found, keep=False)
        torch, device = (bytes(found.environment.get(name, b'"unknown"')) for name in ("torch", "device"))
        # A file holds the records of one training, which repeat what is known of it.
        if found.training_key != self._training:
            self._training = found.training_key
        if (seconds := found.timing.get("train_seconds", 0.0)) != self._seconds:
            self._seconds = seconds
        parts = self._parts.trained(found, torch, device), self._parts.tested(found)
        return _cell(found, self._training, self._seconds, None, *parts)


def cells_of(records: Iterable[Record | Cell]) -> tuple[list[Cell], list[str]]:
    """The cells of some records, one per key and sorted by key, and one message per conflict.

    If several records share a key, `benchbench.store.files.preferred` decides which one stays. Components of the same
    settings go by one name, whatever their matrices called them: ours before a third party's, a matrix's own before the
    component's, the first by alphabet.
    """
    records = list(records)
    if all(isinstance(r, Cell) for r in records) and all(a.key < b.key for a, b in pairwise(records)):
        # As `read_cells` gives them.
        return _renamed(cast(list[Cell], records)), []
    found: dict[str, Record | Cell] = {}
    conflicts: dict[str, str] = {}
    for r in records:
        other = found.setdefault(r.key, r)
        if isinstance(r, Record) and isinstance(other, Record) and r is not other:
            found[r.key], conflict = preferred(other, r)
            if conflict:
                conflicts[r.key] = f"Two records of cell {r.key[:16]} {conflict}."
    cells = [r if isinstance(r, Cell) else _of(r) for r in map(found.__getitem__, sorted(found))]
    return _renamed(cells), [conflicts[key] for key in sorted(conflicts)]


def _of(record: Record, *, keep: bool = True) -> Cell:
    content = {k: msgspec.json.encode(v, order="deterministic") for k, v in record.content.items()}
    torch, device = (str(record.environment.get(k, "unknown")) for k in ("torch", "device"))
    parts = trained(record, content, torch, device), tested(record, content)
    seconds = record.timing.get("train_seconds", 0.0)
    return _cell(record, record.training_key, seconds, record if keep else None, *parts)


def _cell(
    r: Record | Line, training: str, seconds: float, record: Record | None, trained: Trained, tested: Tested
) -> Cell:
    scored = r.summary[shown(r.summary)] if r.status == "ok" else None
    mean, ci95 = (scored.mean, scored.ci95) if scored else (math.nan, math.nan)
    return Cell(r.key, training, r.status == "ok", r.reason, r.seed, mean, ci95, seconds, record, trained, tested)


def _renamed(cells: list[Cell]) -> list[Cell]:
    """One name for one thing: a name that changed must not split a method's seeds, or a target, in two."""
    if not any(c.trained.of or c.tested.of for c in cells):
        return cells
    how = _names({id(c.trained): (c.trained, c.origin, c.settings) for c in cells}.values(), OF_TRAINED)
    where = _names({(id(c.tested), c.origin): (c.tested, c.origin, c.place) for c in cells}.values(), OF_TESTED)
    return [
        msgspec.structs.replace(c, trained=how[id(c.trained)], tested=where[id(c.tested)])
        if how[id(c.trained)] is not c.trained or where[id(c.tested)] is not c.tested
        else c
        for c in cells
    ]


def _names(parts: Iterable[tuple[P, str, str]], axes: tuple[str, ...]) -> dict[int, P]:
    """By the identity of each part what it becomes, once each component with its settings goes by one name; `parts`:
    with whose they are and those settings."""
    best: dict[tuple[str, str, str], tuple[bool, bool, str]] = {}
    known = list(parts)
    for part, origin, settings in known:
        for axis in _named(part, axes):
            thing = axis, part.of.get(axis) or getattr(part, axis), settings
            rank = (origin == "external", axis not in part.of, getattr(part, axis))
            best[thing] = min(rank, best.get(thing, rank))
    found: dict[int, P] = {}
    for part, _, settings in known:
        components = {axis: part.of.get(axis) or getattr(part, axis) for axis in _named(part, axes)}
        update: dict[str, Any] = {
            axis: name
            for axis, component in components.items()
            if (name := best[axis, component, settings][2]) != getattr(part, axis)
        }
        of = {**{axis: components[axis] for axis in update}, **part.of}
        found[id(part)] = part._replace(**update, of=of) if update else part
    return found


def _named(part: Trained | Tested, axes: tuple[str, ...]) -> tuple[str, ...]:
    # A floor's settings do not include its source.
    return tuple([axis for axis in axes if not (axis == "source" and isinstance(part, Trained) and part.floor)])


def meant(kind: str, name: str, known: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of the `known` names, each with its component, a name means: the one so called, else all of the component
    that goes by it, in any spelling."""
    known = set(known)
    if called := {(own, component) for own, component in known if own == name}:
        return called
    with suppress(BenchbenchError):
        name = shortest(find(kind, name))
    return {(own, component) for own, component in known if component == name}


def by_modality(records: Iterable[Record | Cell]) -> dict[str, list[Record | Cell]]:
    """Some records by the modality of their targets, in the order of its name: ranks are of one alone."""
    found: dict[str, list[Record | Cell]] = {}
    for r in records:
        name = r.modality if isinstance(r, Cell) else r.content.get("modality", IMAGES)
        found.setdefault(name, []).append(r)
    return dict(sorted(found.items()))
