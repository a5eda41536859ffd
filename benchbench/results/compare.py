"""Compares two sets of scores: results folders, revisions of one in git, or methods within one.

Only scores on the same test episodes are compared, in pairs; Holm's correction covers all rows of a table.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchbench.errors import BenchbenchError, suggest
from benchbench.keys import canonical
from benchbench.leaderboard.cells import meant
from benchbench.leaderboard.grid import Grid, Row, grid, names
from benchbench.leaderboard.statistics.paired import Difference, holm, paired_difference
from benchbench.leaderboard.variants import Flat, flat, told
from benchbench.results.consistency import settings_content, settings_digits
from benchbench.results.sides import Side, side
from benchbench.store.records import Record, shown
from benchbench.store.reprs import as_html, brief

if TYPE_CHECKING:
    import pandas as pd

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
    that A has a score for and whose training failed in B; `alone` counts the cells that only A has, and only B; `sides`
    says what stands behind A and B."""

    rows: list[Comparison] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    alone: tuple[int, int] = (0, 0)
    sides: tuple[Side, Side] | None = None

    def __repr__(self) -> str:
        return brief(f"Comparisons({self._said()})")

    def _repr_html_(self) -> str:
        return as_html("Comparisons", self._said())

    def _said(self) -> str:
        counts = Counter(row.verdict for row in self.rows)
        said = [f"{counts[word]} {word}" for word in ("better", "worse", "no difference") if counts[word]]
        first = [
            f"{row.what} on {row.target} {row.protocol}: B - A = {row.difference.mean:+.2f} "
            f"[{row.difference.low:+.2f}, {row.difference.high:+.2f}], p = {row.difference.p_holm:.2g}"
            for row in self.rows[:1]
        ]
        return "; ".join([f"B against A in {len(self.rows)} rows: {', '.join(said) or 'none'}", *first])

    def to_frame(self) -> "pd.DataFrame":
        """One row per comparison: means of `a` and `b` in percent, `difference` (B minus A, percentage points) with its
        interval, `p` after Holm's correction over all rows, and `over` what the interval is."""
        import pandas as pd

        return pd.DataFrame(
            {
                "what": row.what,
                "target": row.target,
                "protocol": row.protocol,
                "a": row.a,
                "b": row.b,
                "difference": row.difference.mean,
                "low": row.difference.low,
                "high": row.difference.high,
                "p": row.difference.p_holm,
                "verdict": row.verdict,
                "over": row.difference.over,
                "seeds": row.difference.seeds,
                "episodes": row.difference.episodes,
            }
            for row in self.rows
        )

    @property
    def covers(self) -> str:
        """What the intervals are over."""
        one = sum(row.difference.over == "episodes" for row in self.rows)
        seeds = sorted({row.difference.seeds for row in self.rows if row.difference.over == "seeds"})
        episodes = "the draw of test episodes alone, for these trainings: another training seed may fall outside it"
        several = f"other training seeds ({' or '.join(map(str, seeds))} a side) and other test episodes"
        if not one:
            return several
        return episodes if one == len(self.rows) else f"{several}; in {one} rows {episodes}"


def compare_results(a: Iterable[Record], b: Iterable[Record]) -> Comparisons:
    """Compare every method of `a` with the same method of `b`, on each target and protocol that both have; what their
    matrices call them need not be the same.

    Raises BenchbenchError if nothing can be compared.
    """
    sides = (list(a), list(b))
    placed = [[(_place(record), record) for record in records] for records in sides]
    crowded = {
        where
        for of_side in placed
        for (where, _), n in Counter((where, record.seed) for where, record in of_side).items()
        if n > 1
    }
    variants: dict[str, dict[str, Flat]] = defaultdict(dict)
    for where, record in (item for of_side in placed for item in of_side):
        if where in crowded:
            variants[where[0]][settings_digits(record, "seed")] = flat(settings_content(record, "seed"))
    texts = {what: told(settings) for what, settings in variants.items()}
    found: tuple[dict[Place, list[Record]], ...] = (defaultdict(list), defaultdict(list))
    shown_as: dict[Place, Place] = {}
    for of_side, cells in zip(placed, found, strict=True):
        for where, record in of_side:
            what, target, protocol = where
            if where in crowded:
                what += f" [{texts[what][settings_digits(record, 'seed')]}]"
            cells[what, target, protocol].append(record)
            if record.content.get("names"):
                shown_as.setdefault((what, target, protocol), _place(record, record.content["names"]))
    done = _compare(found[0], found[1], shown_as)
    return _with_sides(
        done, [(grid(record for _, record in item), cells) for item, cells in zip(placed, found, strict=True)]
    )


def _place(record: Record, own: Mapping[str, str] = MappingProxyType({})) -> Place:
    """Where a record stands, by the names of its components, or by its matrix's `own`."""
    m = record.method
    pretext, meta, backbone = (own.get(a, getattr(m, a)) for a in ("pretext", "meta", "backbone"))
    # An untrained encoder has no source.
    source = "" if record.flags.floor else own.get("source", record.source)
    what = f"{pretext} × {meta} ({', '.join(filter(None, (backbone, m.regime, source)))})"
    return what, own.get("target", record.target), own.get("protocol", record.protocol)


def compare_methods(records: Iterable[Record], a: str, b: str) -> Comparisons:
    """Compare two methods of one folder, on each backbone, source, target and protocol that both have.

    A method is written ``pretext/meta`` or ``pretext × meta``, each by any of its names, or as tables name its row.
    Further parts choose a backbone, a regime, a source, or settings as tables show them (``inner_lr 0.01``). If several
    rows are meant, each of one side is compared with each of the other, and none with itself. Raises BenchbenchError
    for a method without records, or if nothing can be compared.
    """
    found = grid(records)
    texts = names(found)
    ones, others = (_rows(found, texts, written) for written in (a, b))
    if ones == others and len(ones) == 1:
        raise BenchbenchError(f"{a!r} and {b!r} are one row, {texts[ones[0]]!r}: name another to compare it with")
    # Two sides that mean the same rows would show every pair twice.
    crossed = combinations(ones, 2) if ones == others else product(ones, others)
    pairs = [(x, y, where) for x, y in crossed if x != y and (where := _shared(found, x, y))]
    often = Counter(where for _, _, where in pairs)
    sides: tuple[dict[Place, list[Record]], ...] = ({}, {})
    for x, y, where in pairs:
        what = f"{where} [{texts[x]} with {texts[y]}]" if often[where] > 1 or ones == others else where
        for cells, row in zip(sides, (x, y), strict=True):
            cells |= _columns(found, row, what)
    for cells, rows, place in zip(sides, (ones, others), (0, 1), strict=True):
        for row in set(rows) - {pair[place] for pair in pairs} - (set(ones) & set(others)):
            cells |= _columns(found, row, texts[row])
    return _with_sides(_compare(sides[0], sides[1]), [(found, sides[0]), (found, sides[1])])


def _with_sides(done: Comparisons, both: list[tuple[Grid, Cells]]) -> Comparisons:
    """With what stands behind the two sides: each a grid of all its records, and its cells."""
    (_, first), (_, second) = both
    shared = first.keys() & second.keys()
    a, b = (side(found, {r.key for where in shared for r in cells[where]}) for found, cells in both)
    done.sides = (a, b)
    return done


def _shared(found: Grid, x: Row, y: Row) -> str:
    """The backbone and source that two rows share; empty if they do not. An untrained encoder has no source."""
    first, second = (found.members[row][0] for row in (x, y))
    sources = {c.source for c in (first, second) if not c.floor}
    if x.backbone != y.backbone or len(sources) > 1:
        return ""
    return ", ".join([x.backbone, *sources])


def _columns(found: Grid, row: Row, what: str) -> dict[Place, list[Record]]:
    """The records of a row by place: a column is a target, then its protocol and what tells it from its namesakes."""
    return {
        (what, cells[0].target, column.removeprefix(f"{cells[0].target} ")): [c.record for c in cells if c.record]
        for column, cells in found.cells[row].items()
    }


def _rows(found: Grid, texts: Mapping[Row, str], written: str) -> list[Row]:
    """The rows that a method means, part by part: those so called or, if there is none, those of the component that the
    part is a name of."""
    if exact := [row for row, text in texts.items() if text == written]:
        return exact
    plain = re.sub(r"\s*\(([^()]*)\)\s*$", r"/\1", written.replace("×", "/"))
    pretext, meta, *parts = [part.strip() for part in plain.split("/")] if "/" in plain else (plain, "")

    def chosen(row: Row) -> bool:
        members = found.members[row]
        settings = {*row.variant.split(", "), row.backbone, row.regime, *(c.source for c in members)}
        settings |= {c.component(axis) for c in members for axis in ("backbone", "source")}
        return {p.strip().replace("=", " ", 1) for part in parts for p in part.split(",")} <= settings

    named = [row for row in texts if chosen(row)]
    for axis, name in (("pretext", pretext), ("meta", meta)):
        called = {row: (getattr(row, axis), found.members[row][0].component(axis)) for row in named}
        kept = meant(axis, name, called.values())
        named = [row for row in named if called[row] in kept]
    if not named:
        known = {f"{row.pretext}/{row.meta}" for row in texts} | {t for r, t in texts.items() if r.variant}
        raise BenchbenchError(f"no records of method {written!r}{suggest('/'.join([pretext, meta, *parts]), known)}")
    return named


def _compare(first: Cells, second: Cells, shown_as: Mapping[Place, Place] | None = None) -> Comparisons:
    """The comparison of two sides place by place; `shown_as` says what to call a place."""
    found = Comparisons(alone=(len(first.keys() - second.keys()), len(second.keys() - first.keys())))
    for where in sorted(first.keys() & second.keys()):
        name = (shown_as or {}).get(where, where)
        label = " ".join(name)
        try:
            ones, others = _scored(first[where]), _scored(second[where])
            if ones and not others:
                found.lost.append(f"{label}: failed: {second[where][0].reason}")
            elif ones and others:
                found.rows.append(_row(name, ones, others))
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
    a, b = ({s: held[s] for s in sorted(shared or held)} for held in (a, b))
    if len({_episodes(r) for r in (*a.values(), *b.values())}) > 1:
        raise BenchbenchError("they were scored on different test episodes")
    metrics = set.intersection(*(set(r.scores) for r in (*a.values(), *b.values())))
    if not metrics:
        raise BenchbenchError("they share no metric")
    metric = shown(metrics)
    old, new = ([[100 * v for v in r.scores[metric].fractions()] for r in held.values()] for held in (a, b))
    # First minus second: what changed from A to B.
    difference = paired_difference(new, old, seeds_a=list(b), seeds_b=list(a))
    before, after = (100 * math.fsum(r.summary[metric].mean for r in held.values()) / len(held) for held in (a, b))
    return Comparison(*where, before, after, difference)


def _episodes(record: Record) -> str:
    """Identifies what was scored; a protocol without episodes scores its whole target."""
    target, protocol = record.content.get("target", {}), record.content.get("protocol", {})
    return record.episodes_hash or canonical([target.get("fingerprint"), protocol])
