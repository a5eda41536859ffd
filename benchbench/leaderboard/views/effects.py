"""What each axis adds, all else being equal."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import Grid, Row
from benchbench.leaderboard.paired_scores import Average, Scored, difference, shared, together
from benchbench.leaderboard.statistics.paired import Difference, holm
from benchbench.leaderboard.views.tables import elsewhere
from benchbench.leaderboard.views.text import bounds, tabular

#: A pretext's worth without meta-learning is measured by this adapter on the encoder from plain training.
ADAPTER, PLAIN, UNTRAINED = "nearest-centroid", "joint", "none"
ALL = "all"

#: An effect: the axis, which of its values, and for which pretext ("all": averaged over them).
Effect = tuple[str, str, str]


@dataclass(frozen=True)
class Context:
    """A place where an effect is seen: the row that has the value, and the rows that it is measured against."""

    effect: Effect
    treated: Row
    against: list[Row]


def effects(found: Grid) -> Table:
    """Marginal effects: paired differences on the same target and episodes, averaged over all else.

    meta: against the same pretext with the plain adapter. pretext: with that adapter, against an untrained encoder.
    backbone, source: against the other values, if rows that agree in all else cover every value.
    """
    measured: dict[Effect, list[Difference]] = defaultdict(list)
    places: dict[Effect, int] = defaultdict(int)
    contexts = list(_contexts(found))
    for column in found.columns:
        scored = shared(found, column)
        pairs: dict[Effect, list[tuple[Scored, Scored]]] = defaultdict(list)
        for context in contexts:
            if all(row in scored for row in (context.treated, *context.against)):
                against = together([scored[row] for row in context.against])
                pairs[context.effect] += [(scored[context.treated], against)] if against else []
        for effect, seen in ((e, s) for e, s in pairs.items() if s):
            # One difference per column: its contexts share episodes, and averaging them first respects that.
            a, b = (together(part) for part in zip(*seen, strict=True))
            if a and b:
                measured[effect].append(difference(a, b))
                places[effect] += len(seen)
    averages = {effect: Average.of(found_here) for effect, found_here in sorted(measured.items())}
    p = dict(zip(averages, holm([a.p for a in averages.values()]), strict=True))
    rows = [_row(effect, average, float(p[effect]), places[effect]) for effect, average in averages.items()]
    columns = {
        "axis": lambda r: r["axis"],
        "value": lambda r: r["value"],
        "pretext": lambda r: r["pretext"],
        "effect": lambda r: bounds(r, "effect"),
        "verdict": lambda r: r["verdict"],
        "columns": lambda r: str(r["columns"]),
        "contexts": lambda r: str(r["contexts"]),
        "over": lambda r: r["over"],
    }
    notes = [
        "effect: percentage points with a 95% interval: paired differences on the same episodes (and seeds, where both "
        f"have them). meta: against the same pretext × {ADAPTER} ({PLAIN}); pretext: × {ADAPTER}, against "
        f"{UNTRAINED} × {ADAPTER}, an untrained encoder; backbone, source: against the mean of the other values, where "
        "all of them are there.",
        "Averaged over the contexts of a column (what else differs: backbones, sources, pretexts), then over columns, "
        "which are taken as they are and as independent: no claim about other targets.",
        "verdict: at the 5% level after Holm's correction over the table. over: episodes where a single training seed "
        "stands behind it, which makes it a difference between trainings, not between methods.",
    ]
    return tabular("Marginal effects", rows, columns, [*notes, *elsewhere(found)])


def _row(effect: Effect, average: Average, p: float, contexts: int) -> dict[str, Any]:
    axis, value, pretext = effect
    return {
        "axis": axis, "value": value, "pretext": pretext, "effect": average.mean, "effect_low": average.low,
        "effect_high": average.high, "p_holm": p, "verdict": average.verdict(p), "columns": average.columns,
        "contexts": contexts, "seeds": average.seeds, "over": average.over,
    }  # fmt: skip


def _contexts(found: Grid) -> Iterator[Context]:
    floors = {row for row, members in found.members.items() if members[0].floor}
    # A method with several settings has no single counterpart.
    rows = [row for row in found.cells if not row.variant]
    known = set(rows)
    for row in rows:
        if row in floors:
            continue
        plain = Row(row.pretext, ADAPTER, row.backbone, PLAIN, row.source)
        if row.regime != PLAIN and plain in known:
            for pretext in (row.pretext, ALL):
                yield Context(("meta", f"{row.meta} ({row.regime})", pretext), row, [plain])
        untrained = Row(UNTRAINED, ADAPTER, row.backbone, "", "")
        if row == plain and untrained in floors:
            yield Context(("pretext", row.pretext, row.pretext), row, [untrained])
    trained = [row for row in rows if row not in floors]
    yield from _balanced("backbone", trained, lambda r: (r.pretext, r.meta, r.regime, r.source))
    yield from _balanced("source", trained, lambda r: (r.pretext, r.meta, r.regime, r.backbone))


def _balanced(axis: str, rows: list[Row], rest: Callable[[Row], tuple[str, ...]]) -> Iterator[Context]:
    values = {getattr(row, axis) for row in rows}
    alike: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        alike[rest(row)][getattr(row, axis)] = row
    for by_value in alike.values():
        if len(values) > 1 and len(by_value) == len(values):
            for value, row in by_value.items():
                others = [other for name, other in by_value.items() if name != value]
                yield Context((axis, value, ALL), row, others)
