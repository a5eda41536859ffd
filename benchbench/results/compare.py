"""Compares two sets of scores: results folders, revisions of one in git, or methods within one.

Only scores on the same test episodes are compared, in pairs; Holm's correction covers all rows of a table.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from benchbench.errors import BenchbenchError, suggest
from benchbench.keys import canonical
from benchbench.leaderboard.statistics.paired import Difference, holm, paired_difference
from benchbench.leaderboard.variants import told_apart
from benchbench.results.consistency import settings_digits
from benchbench.store.content import DERIVED
from benchbench.store.records import Method, Record, shown

#: (what is compared, target, protocol)
Place = tuple[str, str, str]
#: The records of one side.
Cells = Mapping[Place, list[Record]]


@dataclass(frozen=True)
class Comparison:
    """One row: mean scores of A and B in percent, and B minus A in percentage points."""

    what: str
    target: str
    protocol: str
    a: float
    b: float
    difference: Difference

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` if B differs significantly, else ``no difference``."""
        if not self.difference.significant:
            return "no difference"
        return "better" if self.difference.mean > 0 else "worse"

    def regressed(self, margin: float) -> bool:
        """Whether B is significantly worse, and by more than `margin` percentage points."""
        return self.verdict == "worse" and self.difference.mean < -margin


@dataclass
class Comparisons:
    """All rows. `refused` lists cells that both sides have but that cannot be compared, with the reason; `lost` those
    that A has a score for and whose training failed in B; `alone` counts the cells that only A has, and only B."""

    rows: list[Comparison] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    alone: tuple[int, int] = (0, 0)


def compare_results(a: Iterable[Record], b: Iterable[Record]) -> Comparisons:
    """Compare every method of `a` with the same method of `b`, on each target and protocol that both have.

    Raises BenchbenchError if nothing can be compared.
    """

    def place(record: Record) -> Place:
        m = record.method
        # An untrained encoder has no source.
        source = "" if record.flags.floor else record.source
        return (
            f"{m.label} ({', '.join(filter(None, (m.backbone, m.regime, source)))})",
            record.target,
            record.protocol,
        )

    return _compare(*_cells(a, b, place))


def compare_methods(records: Iterable[Record], a: str, b: str) -> Comparisons:
    """Compare two methods of one folder, on each backbone, source, target and protocol that both have.

    A method is written ``pretext/meta`` or ``pretext × meta``; further parts choose a backbone or a regime. If a method
    has several settings, each of them gets its own row. Raises BenchbenchError for a method without records, or if
    nothing can be compared.
    """
    records = list(records)

    def place(record: Record) -> Place:
        source = "" if record.flags.floor else f", {record.source}"
        return f"{record.method.backbone}{source}", record.target, record.protocol

    return _compare(*_crossed(_of_method(records, a), _of_method(records, b), place))


def _of_method(records: list[Record], written: str) -> list[Record]:
    pretext, *parts = [part.strip() for part in written.replace("×", "/").split("/")]

    def means(m: Method) -> bool:
        given = [pretext, *parts[:1]] == [m.pretext, m.meta]
        return given and set(parts[1:]) <= {m.backbone, m.regime}

    if not (found := [r for r in records if means(r.method)]):
        names = {f"{r.method.pretext}/{r.method.meta}" for r in records}
        raise BenchbenchError(f"no records of method {written!r}{suggest('/'.join([pretext, *parts]), names)}")
    return found


def _compare(first: Cells, second: Cells) -> Comparisons:
    found = Comparisons(alone=(len(first.keys() - second.keys()), len(second.keys() - first.keys())))
    for where in sorted(first.keys() & second.keys()):
        label = " ".join(where)
        try:
            ones, others = _scored(first[where]), _scored(second[where])
            if ones and not others:
                found.lost.append(f"{label}: failed: {second[where][0].reason}")
            elif ones and others:
                found.rows.append(_row(where, ones, others))
        except BenchbenchError as error:
            found.refused.append(f"{label}: {error}")
    if not found.rows and not found.lost:
        reasons = "; ".join(found.refused) or "they share no method, target and protocol that both have scores for"
        raise BenchbenchError(f"nothing can be compared: {reasons}")
    adjusted = holm([row.difference.p for row in found.rows])
    found.rows = [
        replace(row, difference=replace(row.difference, p_holm=float(p)))
        for row, p in zip(found.rows, adjusted, strict=True)
    ]
    return found


def _cells(a: Iterable[Record], b: Iterable[Record], place: Callable[[Record], Place]) -> tuple[Cells, Cells]:
    """The records of both sides by place. A place where one side has several settings is split by settings."""
    sides = (list(a), list(b))
    crowded = {where for side in sides for (where, _), n in Counter((place(r), r.seed) for r in side).items() if n > 1}
    names = _variants((record for side in sides for record in side if place(record) in crowded), "seed")
    found: tuple[dict[Place, list[Record]], ...] = (defaultdict(list), defaultdict(list))
    for side, cells in zip(sides, found, strict=True):
        for record in side:
            what, target, protocol = where = place(record)
            if where in crowded:
                what += f" [{names[settings_digits(record, 'seed')]}]"
            cells[what, target, protocol].append(record)
    return found[0], found[1]


def _variants(records: Iterable[Record], *without: str) -> dict[str, str]:
    """What tells records apart, as in a leaderboard, by the digits of their settings; both leave out parts of a
    content."""
    left_out = DERIVED.union(without)
    return told_apart(
        {settings_digits(r, *without): {k: v for k, v in r.content.items() if k not in left_out} for r in records}
    )


def _crossed(a: Iterable[Record], b: Iterable[Record], place: Callable[[Record], Place]) -> tuple[Cells, Cells]:
    """The records of two methods by place. A place where either has several settings appears once for each pair of
    one's settings with the other's."""
    sides: tuple[dict[Place, dict[str, list[Record]]], ...] = (
        defaultdict(lambda: defaultdict(list)), defaultdict(lambda: defaultdict(list)),
    )  # fmt: skip
    for side, records in zip(sides, (a, b), strict=True):
        for record in records:
            side[place(record)][settings_digits(record, "seed", "target", "protocol")].append(record)
    every = (r for side in sides for held in side.values() for group in held.values() for r in group)
    names = _variants(every, "seed", "target", "protocol")
    found: tuple[dict[Place, list[Record]], ...] = ({}, {})
    for where in sides[0].keys() | sides[1].keys():
        ones, others = (side.get(where, {}) for side in sides)
        several = len(ones) > 1 or len(others) > 1
        for i, j in product(ones or [""], others or [""]):
            if [r.key for r in ones.get(i, [])] == [r.key for r in others.get(j, [])]:
                continue  # One row with itself.
            what = f"{where[0]} [{names.get(i) or 'none'} with {names.get(j) or 'none'}]" if several else where[0]
            for cells, group in zip(found, (ones.get(i), others.get(j)), strict=True):
                if group:
                    cells[what, *where[1:]] = group
    if not any(found):
        raise BenchbenchError("both name the same rows, and a row is not compared with itself")
    return found[0], found[1]


def _scored(cell: list[Record]) -> dict[int, Record]:
    """The scored records of a cell by seed."""
    found: dict[int, Record] = {}
    for record in cell:
        if record.status == "ok" and record.seed in found:
            raise BenchbenchError(f"seed {record.seed} is there several times, from other revisions")
        if record.status == "ok":
            found[record.seed] = record
    return found


def _row(where: Place, a: Mapping[int, Record], b: Mapping[int, Record]) -> Comparison:
    # The seeds that both have are paired; if there are none, all count.
    shared = a.keys() & b.keys()
    a, b = ({s: side[s] for s in sorted(shared or side)} for side in (a, b))
    if len({_episodes(r) for r in (*a.values(), *b.values())}) > 1:
        raise BenchbenchError("they were scored on different test episodes")
    metrics = set.intersection(*(set(r.scores) for r in (*a.values(), *b.values())))
    if not metrics:
        raise BenchbenchError("they share no metric")
    metric = shown(metrics)
    old, new = ([[100 * v for v in r.scores[metric].fractions()] for r in side.values()] for side in (a, b))
    # First minus second: what changed from A to B.
    difference = paired_difference(new, old, seeds_a=list(b), seeds_b=list(a))
    before, after = (100 * math.fsum(r.summary[metric].mean for r in side.values()) / len(side) for side in (a, b))
    return Comparison(*where, before, after, difference)


def _episodes(record: Record) -> str:
    """Identifies what was scored; a protocol without episodes scores its whole target."""
    target, protocol = record.content.get("target", {}), record.content.get("protocol", {})
    return record.episodes_hash or canonical([target.get("fingerprint"), protocol])
