"""A closer look at the leaderboard: per target, per protocol."""

import math
from typing import Any

from benchbench.leaderboard.aggregate import Table, tabulated
from benchbench.leaderboard.grid import Grid, average_ranks, names, ordered, places
from benchbench.leaderboard.notes import claims
from benchbench.leaderboard.paired_scores import difference, shared
from benchbench.leaderboard.statistics.intervals import hierarchical
from benchbench.leaderboard.statistics.paired import holm
from benchbench.leaderboard.statistics.power import power
from benchbench.leaderboard.statistics.ranks import tied_ranks
from benchbench.leaderboard.views.text import bounds, number, plus_minus, tabular


def overall(found: Grid) -> Table:
    """The leaderboard: one row per method, one column per target and protocol."""
    return tabulated(found)


def target(found: Grid) -> Table:
    """Each target and protocol by itself: intervals with both sources of variance, and the distance from the best."""
    rows: list[dict[str, Any]] = []
    text = names(found)
    for column in found.columns:
        scored = shared(found, column)
        intervals = {row: hierarchical(list(s.table)) for row, s in scored.items()}
        if not intervals:
            continue
        order = sorted(intervals, key=lambda row: (-round(intervals[row].mean, 9), row))
        ranks = tied_ranks([intervals[r].mean for r in order], [intervals[r].half for r in order])
        best = order[0]
        against = {row: difference(scored[row], scored[best]) for row in order[1:]}
        p = dict(zip(against, holm([d.p for d in against.values()]), strict=True))
        for rank, row in zip(ranks, order, strict=True):
            found_here: dict[str, Any] = {
                "column": column,
                "method": text[row],
                **row._asdict(),
                "tied_rank": float(rank),
            }
            i, d = intervals[row], against.get(row)
            found_here |= {"mean": i.mean, "low": i.low, "high": i.high, "over": i.over, "episode_se": i.episode_se}
            found_here |= {"seed_se": i.seed_se, "seeds": i.seeds, "episodes": i.episodes}
            if d:
                reach = power(
                    scored[row].table, scored[best].table, seeds_a=scored[row].seeds, seeds_b=scored[best].seeds
                )
                found_here |= {"from_best": d.mean, "from_best_low": d.low, "from_best_high": d.high}
                found_here |= {"p_holm": float(p[row]), "worse": bool(p[row] < 0.05 and d.mean < 0)}
                found_here |= {"detectable": reach.detectable if math.isfinite(reach.detectable) else None}
            rows.append(found_here)
    notes = [
        "mean: percent, ± 95% interval over what `over` names (episodes for one seed, and where all seeds agree "
        "exactly, which shows no spread). episode se, seed se: standard errors of the mean from "
        "the draw of test episodes and from differences between trainings, kept apart (one seed cannot show these).",
        "from best: paired difference on the same episodes with its 95% interval; *: worse than the best at the 5% "
        "level after Holm's correction over the column. detectable: the smallest difference from the best that these "
        "seeds and episodes would find with 80% probability.",
    ]
    columns = {
        "target and protocol": lambda r: r["column"],
        "method": lambda r: r["method"],
        "mean": lambda r: plus_minus(r["mean"], r["high"] - r["mean"]),
        "over": lambda r: r["over"],
        "episode se": lambda r: number(r["episode_se"]),
        "seed se": lambda r: number(r["seed_se"]),
        "seeds": lambda r: str(r["seeds"]),
        "tied rank": lambda r: number(r["tied_rank"], 1),
        "from best": lambda r: bounds(r, "from_best") + ("*" if r.get("worse") else ""),
        "detectable": lambda r: number(r.get("detectable")),
    }
    return tabular("Targets", rows, columns, [*notes, *claims(found), *elsewhere(found)])


def protocol(found: Grid) -> Table:
    """Each protocol, averaged over the targets that were scored under it."""
    parts: dict[str, list[str]] = {}
    for column, cell in places(found).items():
        parts.setdefault(cell.protocol, []).append(column)
    ranks = {name: average_ranks(found, part) for name, part in parts.items()}
    text, rows = names(found), []
    for row in ordered(found, average_ranks(found)):
        numbers: dict[str, Any] = {"method": text[row], **row._asdict()}
        for name, part in sorted(parts.items()):
            scores = [score.mean for column in part if (score := found.scored(row, column))]
            numbers[name] = math.fsum(scores) / len(scores) if len(scores) == len(part) else None
            numbers[f"{name} rank"] = None if math.isnan(ranks[name][row]) else ranks[name][row]
            numbers[f"{name} targets"] = len(scores)
        rows.append(numbers)
    columns: dict[str, Any] = {"method": lambda r: r["method"]}
    for name in sorted(parts):
        columns[name] = lambda r, p=name: number(r[p])
        columns[f"{name} rank"] = lambda r, p=name: number(r[f"{p} rank"]) + ("" if r[p] is not None else "*")
    notes = [
        "Percent, the plain mean over the protocol's targets; – where a method lacks one of them, since a mean over "
        "other targets would not compare. No interval: targets are not drawn from a population.",
        "rank: average over the protocol's targets; * where some are missing.",
        *(f"{name}: {', '.join(part)}." for name, part in sorted(parts.items())),
    ]
    return tabular("Protocols", rows, columns, [*notes, *claims(found)])


def elsewhere(found: Grid) -> list[str]:
    """A note on each column whose rows were not all scored on the same episodes."""
    notes = []
    for column in found.columns:
        everyone = {row for row in found.cells if found.scored(row, column)}
        scored = shared(found, column)
        lost = [
            row for row in everyone if row not in scored or len(scored[row].seeds) < found.scores[row][column].seeds
        ]
        if lost:
            text = names(found)
            who = ", ".join(sorted(text[row] for row in lost))
            notes.append(f"{column}: left out of comparisons, since scored on other test episodes: {who}.")
    return notes
