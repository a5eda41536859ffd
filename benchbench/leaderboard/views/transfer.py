"""Where a method was trained against where it is scored."""

import math
from collections.abc import Iterable
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.domains import trained, transfer_gaps
from benchbench.leaderboard.episodes import difference, shared
from benchbench.leaderboard.grid import MISSING, Grid, Row, names, places
from benchbench.leaderboard.statistics.paired import LEVEL, holm
from benchbench.leaderboard.views.tables import elsewhere
from benchbench.leaderboard.views.text import bounds, number, tabular

#: The row of all methods together.
ALL = "all"


def sources_of(found: Grid) -> list[str]:
    """Every source that something was trained on."""
    return sorted({c.source for c in found.everything if not c.floor})


def transfer(found: Grid) -> Table:
    """The transfer matrix, source x target: of every method that was trained on every source and scored everywhere,
    after the mean over these methods."""
    text, gaps, sources, held = names(found), transfer_gaps(found), sources_of(found), trained(found)
    whole = {
        method: rows
        for method, rows in held.items()
        if len(rows) == len(sources) and all(found.complete(row) for row in rows.values())
    }
    rows: list[dict[str, Any]] = []
    for source in sources if whole else []:
        of = [rows[source] for rows in whole.values()]
        rows.append({"method": ALL, "source": source, "methods": len(of)} | _means(found, of))
        there = [gaps[row] for row in of if row in gaps]
        rows[-1]["transfer_gap"] = math.fsum(there) / len(there) if there else None
    for method, by_source in whole.items():
        for source in sources:
            row = by_source[source]
            name = text[row].removesuffix(f", {source}")
            rows.append({"method": name, "source": source, "methods": 1} | _means(found, [row]))
            rows[-1] |= {"transfer_gap": gaps.get(row), **dict(zip(("pretext", "meta"), method, strict=False))}
    columns: dict[str, Any] = {"method": lambda r: r["method"], "source": lambda r: r["source"]}
    for name, cell in places(found).items():
        columns[name] = lambda r, c=name, t=cell.target: number(r[c]) + ("°" if r["source"] == t else "")
    columns["transfer gap"] = lambda r: number(r["transfer_gap"])
    notes = [
        f"Percent. {ALL}: the plain mean over {len(whole)} methods, those that were trained on every source "
        f"({', '.join(sources)}) and have a score in every column. Floors are left out: they have no source. "
        "°: in-domain, trained on the target's own training classes.",
        GAP,
    ]
    if left := len(held) - len(whole):
        notes.append(f"{left} other methods lack a source or a column; a mean over other methods would not compare.")
    if len(sources) == 1:
        notes.append("A single source says nothing of transfer between sources.")
    return tabular("Transfer", rows, columns, notes)


GAP = (
    "transfer gap: in-domain minus cross-domain, percentage points: on each target that is another source, the score "
    "of the same method trained there minus this one's, averaged. Below 0, training elsewhere is better."
)


def _means(found: Grid, rows: list[Row]) -> dict[str, float]:
    return {column: math.fsum(found.scores[r][column].mean for r in rows) / len(rows) for column in found.columns}


def best_transfer(found: Grid) -> Table:
    """Which pretext x meta transfers best from a source to a target, and whether the next is told apart from it."""
    text, targets = names(found), {column: cell.target for column, cell in places(found).items()}
    rows: list[dict[str, Any]] = []
    for source in sources_of(found):
        members = {row for row, cells in found.members.items() if not cells[0].floor and cells[0].source == source}
        for column in found.columns:
            scored = {row: s for row, s in shared(found, column).items() if row in members}
            order = sorted(scored, key=lambda row: (-round(float(scored[row].table.mean()), 9), row))
            if not order:
                continue
            best, others = order[0], order[1:]
            against = {row: difference(scored[best], scored[row]) for row in others}
            p = dict(zip(others, holm([d.p for d in against.values()]), strict=True))
            tied = [row for row in others if not p[row] < LEVEL]
            found_here: dict[str, Any] = {"source": source, "column": column, "in_domain": targets[column] == source}
            found_here |= {"best": text[best], "pretext": best.pretext, "meta": best.meta}
            found_here |= {"mean": float(scored[best].table.mean()), "tied": len(tied), "methods": len(order)}
            found_here["tied_with"] = _listed(text[row] for row in tied)
            if others:
                d = against[others[0]]
                found_here |= {"next": text[others[0]], "ahead": d.mean, "ahead_low": d.low, "ahead_high": d.high}
                found_here |= {"p_holm": float(p[others[0]]), "over": d.over}
            rows.append(found_here)
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
    ]
    if any(r.get("over") == "episodes" for r in rows):
        notes.append("A single training seed stands behind some: these compare trainings, not methods.")
    return tabular("Best transfer", rows, columns, [*notes, *elsewhere(found)])


def _listed(texts: Iterable[str], most: int = 4) -> str:
    held = list(texts)
    return ", ".join(held[:most]) + (f" and {len(held) - most} more" if len(held) > most else "")
