"""Where a method was trained against where it is scored."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import MISSING, Grid, Row, names, places
from benchbench.leaderboard.paired_scores import Places, Scored, common, episode_set, shared, together
from benchbench.leaderboard.statistics.paired import LEVEL, holm
from benchbench.leaderboard.transfer_gaps import trained, transfer_gaps
from benchbench.leaderboard.views.tables import elsewhere
from benchbench.leaderboard.views.text import bounds, number, tabular

#: The row of all methods together.
ALL = "all"
#: What stands for all protocols of a target together.
ALL_PROTOCOLS = "all protocols"


def sources_of(found: Grid) -> list[str]:
    """Every source that something was trained on."""
    return sorted({c.source for c in found.everything if not c.floor})


def transfer(found: Grid) -> Table:
    """The transfer matrix, source x target: the mean over the methods that were trained on every source and have every
    column from each, then each of these methods. A column is left out if, for some source, no method has a score
    there."""
    text, gaps, sources, held = names(found), transfer_gaps(found), sources_of(found), trained(found)
    scored = [{c for row in _members(found, s) for c in found.columns if found.scored(row, c)} for s in sources]
    shown = [c for c in found.columns if all(c in of_source for of_source in scored)]
    whole = {
        method: rows
        for method, rows in held.items()
        if len(rows) == len(sources) and shown and all(found.scored(row, c) for row in rows.values() for c in shown)
    }
    rows: list[dict[str, Any]] = []
    for source in sources if whole else []:
        of = [rows[source] for rows in whole.values()]
        rows.append({"method": ALL, "source": source, "methods": len(of)} | _means(found, of, shown))
        there = [gaps[row] for row in of if row in gaps]
        rows[-1]["transfer_gap"] = math.fsum(there) / len(there) if there else None
    for method, by_source in whole.items():
        for source in sources:
            row = by_source[source]
            name = text[row].removesuffix(f", {source}")
            rows.append({"method": name, "source": source, "methods": 1} | _means(found, [row], shown))
            rows[-1] |= {"transfer_gap": gaps.get(row), **dict(zip(("pretext", "meta"), method, strict=False))}
    columns: dict[str, Any] = {"method": lambda r: r["method"], "source": lambda r: r["source"]}
    targets = {name: cell.target for name, cell in places(found).items()}
    for name in shown:
        columns[name] = lambda r, c=name: number(r[c]) + ("°" if r["source"] == targets[c] else "")
    columns["transfer gap"] = lambda r: number(r["transfer_gap"])
    notes = [
        f"Percent. {ALL}: the plain mean over {len(whole)} methods, those that were trained on every source "
        f"({', '.join(sources)}) and have a score in every column. Floors are left out: they have no source. "
        "°: in-domain, trained on the target's own training classes.",
        GAP,
        FITTED,
    ]
    if left := len(held) - len(whole):
        notes.append(f"{left} other methods lack a source or a column; a mean over other methods would not compare.")
    if lacking := [c for c in found.columns if c not in shown]:
        notes.append(f"Left out, since no method has a score there from every source: {', '.join(lacking)}.")
    if len(sources) == 1:
        notes.append("A single source says nothing of transfer between sources.")
    return tabular("Transfer", rows, columns, notes)


GAP = (
    "transfer gap: in-domain minus cross-domain, percentage points: on each target that is another source, the score "
    "of the same method trained there minus this one's, averaged. Below 0, training elsewhere is better."
)

FITTED = (
    "An encoder takes images of another size resized (bilinear, antialiased) to that of its training, grey ones "
    "repeated over its channels and colour ones averaged to its one; detection and segmentation keep their size."
)


def _means(found: Grid, rows: list[Row], columns: list[str]) -> dict[str, float]:
    return {column: math.fsum(found.scores[r][column].mean for r in rows) / len(rows) for column in columns}


def best_transfer(found: Grid) -> Table:
    """Which pretext x meta transfers best from a source to a target, and whether the next is told apart from it: over
    all of a target's protocols, then under each."""
    rows = [*best_by_target(found), *(r for source in sources_of(found) for r in _by_column(found, source))]
    columns: dict[str, Any] = {
        "trained on": lambda r: r["source"],
        "target and protocol": lambda r: r["column"] + ("°" if r["in_domain"] else ""),
        "best": lambda r: r["best"],
        "score": lambda r: number(r["mean"]),
        "next best": lambda r: r.get("next", MISSING),
        "ahead by": lambda r: bounds(r, "ahead"),
        "p": lambda r: number(r.get("p_holm"), 3),
        "not told apart": lambda r: r["tied_with"] or "none: the best is significantly better than all",
    }
    notes = [
        "For every source and every target and protocol: the method with the highest mean, how far it is ahead of the "
        "next (paired on the same test episodes or images, 95% interval), and p after Holm's correction over the "
        "methods it is compared with. not told apart: methods that are not significantly worse (5%). °: in-domain.",
        f"{ALL_PROTOCOLS}: the mean over the target's protocols (or those that the source's methods were scored on), "
        "of the methods that have them all. Protocols on the same test images are averaged image by image before they "
        "are compared. A training is scored under all protocols, so each seed's average over them is one observation; "
        "methods without a seed that has them all are left out.",
    ]
    if any(r.get("over") == "episodes" for r in rows):
        notes.append("A single training seed stands behind some: these compare trainings, not methods.")
    return tabular("Best transfer", rows, columns, [*notes, *elsewhere(found)])


def best_by_target(found: Grid) -> list[dict[str, Any]]:
    """The numbers of the view for every source and every target with several protocols, over those protocols that any
    of the source's methods was scored under."""
    by_target: dict[str, list[str]] = {}
    for column, cell in places(found).items():
        by_target.setdefault(cell.target, []).append(column)
    compared = {column: set(shared(found, column)) for column in found.columns}
    averaged = cache(lambda columns: _sets(found, columns))
    rows: list[dict[str, Any]] = []
    for source in sources_of(found):
        members = _members(found, source)
        for target, everything in by_target.items():
            columns = tuple(c for c in everything if compared[c] & members)
            if len(columns) < 2:
                continue
            parts, sizes = zip(*averaged(columns), strict=True)
            scored = {row: [part[row] for part in parts] for row in members if all(row in part for part in parts)}
            most = f"{len(columns)} of {len(everything)} protocols"
            title = f"{target}, {ALL_PROTOCOLS if len(columns) == len(everything) else most}"
            rows += _best(found, source, target, title, scored, sizes)
    return rows


def _by_column(found: Grid, source: str) -> Iterator[dict[str, Any]]:
    members = _members(found, source)
    for column, cell in places(found).items():
        scored = {row: [s] for row, s in shared(found, column).items() if row in members}
        yield from _best(found, source, cell.target, column, scored, [1])


def _members(found: Grid, source: str) -> set[Row]:
    return {row for row, cells in found.members.items() if not cells[0].floor and cells[0].source == source}


def _sets(found: Grid, columns: tuple[str, ...]) -> list[tuple[dict[Row, Scored], int]]:
    """The scores of some columns, averaged image by image or episode by episode over columns that share them: one table
    per set of these, and how many columns it stands for."""
    sets: dict[str, list[dict[Row, Scored]]] = {}
    for column in columns:
        sets.setdefault(episode_set(found, column) or column, []).append(shared(found, column))
    averaged = []
    for tables in sets.values():
        rows = sorted(set.intersection(*(set(table) for table in tables)))
        averages = {row: together([table[row] for table in tables]) for row in rows}
        averaged.append(({row: average for row, average in averages.items() if average}, len(tables)))
    return averaged


def _best(
    found: Grid, source: str, target: str, column: str, scored: dict[Row, list[Scored]], sizes: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The row of numbers of a place, if any method has scores there; `scored`: one entry per set of episodes; `sizes`:
    how many columns each set stands for."""
    means = {row: float(np.average([s.table.mean() for s in sets], weights=sizes)) for row, sets in scored.items()}
    order = sorted((row for row in scored if common(scored[row])), key=lambda row: (-round(means[row], 9), row))
    if not order:
        return
    text, best, others = names(found), order[0], order[1:]
    placed = {row: Places.of(list(zip(scored[best], scored[row], strict=True)), sizes) for row in others}
    against = {row: of_row.difference for row, of_row in placed.items() if of_row}
    p = dict(zip(others, holm([d.p for d in against.values()]), strict=True))
    tied = [row for row in others if not p[row] < LEVEL]
    found_here: dict[str, Any] = {"source": source, "target": target, "column": column, "in_domain": target == source}
    found_here |= {"best": text[best], "pretext": best.pretext, "meta": best.meta}
    found_here |= {"mean": means[best], "tied": len(tied), "methods": 1 + len(others)}
    found_here["tied_with"] = _listed(text[row] for row in tied)
    if others:
        d = against[others[0]]
        found_here |= {"next": text[others[0]], "ahead": d.mean, "ahead_low": d.low, "ahead_high": d.high}
        found_here |= {"p_holm": float(p[others[0]]), "over": d.over}
    yield found_here


def _listed(texts: Iterable[str], most: int = 4) -> str:
    held = list(texts)
    return ", ".join(held[:most]) + (f" and {len(held) - most} more" if len(held) > most else "")
