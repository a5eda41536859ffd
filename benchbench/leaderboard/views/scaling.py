"""Scores, and what meta-learning adds, as functions of the budget: at equal samples and at equal FLOPs."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchbench.leaderboard.aggregate import Table, costs
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, Row, grid, names
from benchbench.leaderboard.paired_scores import Places, Scored, common, episode_set, shared, verdict
from benchbench.leaderboard.statistics.budget_scale import Crossing, around, crossing
from benchbench.leaderboard.statistics.paired import holm
from benchbench.leaderboard.statistics.robust import average_interval
from benchbench.leaderboard.views.questions import plain_counterparts
from benchbench.leaderboard.views.text import bounds, compact, number, tabular


@dataclass(frozen=True)
class Budget:
    """What was trained with so many `samples`: a grid of its own, in which a method has one row, and the scores of each
    column by row."""

    samples: int
    found: Grid
    scored: Mapping[str, Mapping[Row, Scored]]

    def flops(self, row: Row) -> int | None:
        """What a training of a row took."""
        flops = costs(self.found.members[row])["flops"]
        return int(flops) if flops else None


def cells_by_budget(found: Grid) -> dict[int, list[Cell]]:
    """The cells of a grid by the samples that their trainings were allowed. Floors, and steps, have none."""
    held: dict[int, list[Cell]] = defaultdict(list)
    for c in found.everything:
        if c.budget:
            held[c.budget].append(c)
    return held


def budgets(found: Grid) -> list[Budget]:
    """The budgets of a grid, by samples."""
    held = cells_by_budget(found)
    # A method is the same row under every budget, also under one that a single source was trained with.
    sources = any(row.source for row in found.cells)
    made = [(samples, grid(held[samples], sources=sources)) for samples in sorted(held)]
    return [Budget(samples, of, {column: shared(of, column) for column in of.columns}) for samples, of in made]


def scaling(found: Grid) -> Table:
    """Scores and effects of every method against samples and FLOPs, and the budgets at which effects change sign."""
    all_budgets = budgets(found)
    plain = {b.samples: plain_counterparts(b.found) for b in all_budgets}
    crossings = _crossings(all_budgets, plain)
    rows: list[dict[str, Any]] = []
    text = names(replace(found, cells={row: {} for b in all_budgets for row in b.found.cells}))
    for b in all_budgets:
        for row in b.found.cells:
            flops = b.flops(row)
            same = _at_flops(b, all_budgets, plain, row, flops) if flops else {}
            rows.append(
                {"method": text[row], **row._asdict(), "budget": b.samples, "flops": flops, **_score(b, row)}
                | _effect(b, _beside_plain(b, row, plain[b.samples].get(row)), "effect")
                | _effect(b, _pairs(b.scored, row, same), "equal")
                | (_numbers(crossings[row]) if row in crossings else {})
            )
    _adjust(rows)
    rows.sort(key=lambda r: (*(r[axis] for axis in ("source", "pretext", "meta", "backbone", "variant")), r["budget"]))
    columns: dict[str, Any] = {
        "method": lambda r: r["method"],
        "samples": lambda r: compact(r["budget"]),
        "FLOPs": lambda r: compact(r["flops"]),
        "score": lambda r: number(r["mean"]),
        "95% interval": lambda r: f"[{r['low']:.2f}, {r['high']:.2f}]" if r["mean"] is not None else "–",
        "equal samples": lambda r: bounds(r, "effect"),
        "verdict": lambda r: r["effect_verdict"] or "–",
        "equal FLOPs": lambda r: bounds(r, "equal"),
        "verdict there": lambda r: r["equal_verdict"] or "–",
        "d (seeds)": lambda r: number(r["effect_d_seeds"]),
        "d (episodes)": lambda r: number(r["effect_d_episodes"]),
        "seeds": lambda r: str(r["seeds"]),
    }
    notes = [
        f"score: percent, the mean over the columns {', '.join(found.columns)}, of methods that have a score in all; "
        "its interval is Student's over training seeds, or over test episodes with one seed.",
        "equal samples: percentage points over plain training of the same pretext, encoder and source on as many "
        "samples, paired on test episodes, and on seeds where both have the same. equal FLOPs: over plain training of "
        "as many FLOPs, its scores interpolated between neighbouring budgets on a logarithmic scale; – where plain "
        "training has none as small or as large: nothing is extrapolated by more than 5%.",
        "verdict: at the 5% level after Holm's correction over all effects of this table. d: Cohen's, of the effect at "
        "equal samples.",
    ]
    notes += [
        told(f"{row.label} ({', '.join(filter(None, (row.source, row.backbone, row.regime, row.variant)))})", where)
        for row, where in sorted(crossings.items(), key=lambda item: item[0])
    ]
    return tabular("Scaling with the budget", rows, columns, notes)


def _score(b: Budget, row: Row) -> dict[str, Any]:
    """The mean over columns, with the interval over seeds, or over episodes for one seed."""
    of_columns = [of[row] for of in b.scored.values() if row in of]
    seeds = common(of_columns) if len(of_columns) == len(b.found.columns) else []
    if not seeds:
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    tables = [scored.of(seeds) for scored in of_columns]
    over_seeds = average_interval(np.stack([table.mean(1) for table in tables], axis=1))
    mean, half = over_seeds.value, over_seeds.half or 0.0
    if len(seeds) == 1:
        half = 1.96 * math.sqrt(sum(table.var(ddof=1) / table.shape[1] for table in tables)) / len(tables)
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": len(seeds)}


def _beside_plain(b: Budget, row: Row, against: Row | None) -> dict[str, tuple[Scored, Scored]]:
    """The scores of a method and of its plain training, by column."""
    return _pairs(b.scored, row, {column: of.get(against) for column, of in b.scored.items()}) if against else {}


def _pairs(
    scored: Mapping[str, Mapping[Row, Scored]], row: Row, against: Mapping[str, Scored | None]
) -> dict[str, tuple[Scored, Scored]]:
    """A row's scores and those that they are held against, in the columns that have both."""
    return {column: (of[row], other) for column, of in scored.items() if row in of and (other := against.get(column))}


def _at_flops(
    b: Budget, all_budgets: list[Budget], plain: Mapping[int, Mapping[Row, Row]], row: Row, flops: int
) -> dict[str, Scored | None]:
    """The scores of the plain training of a method at so many FLOPs, by column: interpolated, for each seed and
    episode, between the budgets around them on a logarithmic scale."""
    trained = [(f, (of, against)) for of in all_budgets if (against := plain[of.samples].get(row))
               and (f := of.flops(against))]  # fmt: skip
    if not (neighbours := around(trained, flops)):
        return {}
    (low, first), (high, second), share = neighbours
    return {
        column: _between(low.scored[column].get(first), high.scored[column].get(second), share)
        for column in low.scored.keys() & high.scored.keys() & b.scored.keys()
        if len({episode_set(of.found, column) for of in (b, low, high)}) == 1
    }


def _between(a: Scored | None, b: Scored | None, share: float) -> Scored | None:
    seeds = common([a, b]) if a and b else []
    if not a or not b or not seeds:
        return None
    return Scored((1 - share) * a.of(seeds) + share * b.of(seeds), seeds)


def _effect(b: Budget, pairs: Mapping[str, tuple[Scored, Scored]], name: str) -> dict[str, Any]:
    places = Places.of_columns(b.found, pairs) if len(pairs) == len(b.found.columns) else None
    parts = ("", "_low", "_high", "_p", "_over", "_d_seeds", "_d_episodes", "_verdict")
    held: dict[str, Any] = {f"{name}{part}": None for part in parts}
    if places:
        d, sizes = places.difference, places.sizes
        values = (d.mean, d.low, d.high, d.p, d.over, sizes.seeds, sizes.episodes)
        held |= {f"{name}{part}": value for part, value in zip(parts, values, strict=False)}
    return held


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Holm's correction over every effect of the table."""
    asked = [(r, name) for r in rows for name in ("effect", "equal") if r[name] is not None]
    for (r, name), p in zip(asked, holm([r[f"{name}_p"] for r, name in asked]), strict=True):
        r |= {f"{name}_p_holm": float(p), f"{name}_verdict": verdict(r[name], float(p))}


def _crossings(all_budgets: list[Budget], plain: Mapping[int, Mapping[Row, Row]]) -> dict[Row, Crossing]:
    """For every method with effects at several budgets: where the effect changes sign."""
    found: dict[Row, Crossing] = {}
    for row in sorted({row for of_budget in plain.values() for row in of_budget}):
        curves = {b.samples: curve for b in all_budgets if (curve := _by_seed(b, row, plain[b.samples].get(row)))}
        seeds = sorted(set.intersection(*(set(curve) for curve in curves.values()))) if len(curves) > 1 else []
        if seeds:
            table = np.array([[curves[samples][seed] for samples in sorted(curves)] for seed in seeds])
            found[row] = crossing(sorted(curves), table)
    return found


def _by_seed(b: Budget, row: Row, against: Row | None) -> dict[int, float]:
    """The effect of each seed that a method and its plain training share, averaged over all columns."""
    pairs = _beside_plain(b, row, against)
    if not pairs or len(pairs) < len(b.found.columns):
        return {}
    seeds = common(side for pair in pairs.values() for side in pair)
    gaps = [a.of(seeds).mean(1) - other.of(seeds).mean(1) for a, other in pairs.values()]
    return dict(zip(seeds, np.mean(gaps, axis=0).tolist(), strict=True)) if seeds else {}


def _numbers(found: Crossing) -> dict[str, Any]:
    return {
        "crossing": found.at, "crossing_low": found.low, "crossing_high": found.high, "crossing_share": found.share,
        "above": found.above,
    }  # fmt: skip


def told(line: str, found: Crossing) -> str:
    """Where the effect of a method, called `line`, changes sign, as a sentence."""
    start, end = ("above", "below") if found.above else ("below", "above")
    if found.at is None:
        return f"{line}: {start} plain training at every budget."
    text = f"{line}: from {start} plain training to {end} it at {compact(found.at)} samples"
    if found.low is None or found.share is None:
        return f"{text} (one seed)."
    interval = f"[{compact(found.low)}, {compact(found.high)}]"
    return f"{text} {interval}, in {100 * found.share:.0f}% of draws of the seeds."
