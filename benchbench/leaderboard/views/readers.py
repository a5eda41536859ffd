"""Trainings × readers: the same checkpoints under several adaptation algorithms, on the same test episodes."""

import math
from collections import defaultdict
from typing import Any

from benchbench.components.reference import bare
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, average_ranks, names, ordered, places
from benchbench.leaderboard.statistics.robust import average_interval
from benchbench.leaderboard.variants import Flat, told
from benchbench.leaderboard.views.text import plus_minus, tabular

#: The reader of a protocol that names none.
OWN = "its own"

#: A target, by name, and the episodes on it.
Place = tuple[str, str]


def readers(found: Grid) -> Table:
    """What each training is worth by its own adaptation and by every reader of its frozen features, averaged over the
    targets that have all of them."""
    text, of_columns = names(found), _readers(found)
    where: dict[str, dict[Place, str]] = defaultdict(dict)
    for column, c in places(found).items():
        where[of_columns[column]][c.target, c.episodes_hash or ""] = column
    shared = sorted(set.intersection(*(set(of) for of in where.values()))) if len(where) > 1 else []
    shown = sorted(where, key=lambda reader: (reader != OWN, reader)) if shared else []
    rows = []
    for row in ordered(found, average_ranks(found)) if shown else []:
        numbers: dict[str, Any] = {"method": text[row], **row._asdict()}
        for reader in shown:
            cells = [found.cells[row].get(where[reader][place], []) for place in shared]
            numbers |= {reader: None, f"{reader} ci95": None, **_mean(reader, cells)}
        best = [reader for reader in shown if numbers[reader] is not None]
        if len(best) > 1:
            rows.append({**numbers, "best": max(best, key=lambda reader: numbers[reader])})
    columns: dict[str, Any] = {"method": lambda r: r["method"]}
    for reader in shown:
        columns[reader] = lambda r, reader=reader: plus_minus(r[reader], r[f"{reader} ci95"])
    columns["best"] = lambda r: r["best"]
    over = ", ".join(sorted({target for target, _ in shared})) or "no target"
    notes = [
        f"Percent, the mean over {over} ± 95% interval, over training seeds, or over test episodes with one seed. Only "
        "targets count that every reader was scored on, on the same episodes.",
        f"{OWN}: the method's own adaptation, or the reader that a search on validation classes chose for it. The "
        "others read the same frozen encoder. best: the highest mean here, at test: a description, not a choice that "
        "may be reported.",
    ]
    return tabular("Trainings and readers", rows, columns, notes)


def _readers(found: Grid) -> dict[str, str]:
    """The reader of each column: the learner that its protocol's settings name, told from namesakes by its settings."""
    named: dict[str, tuple[str, Flat]] = {}
    for column, c in places(found).items():
        for path, value in c.placed.items():
            if path[:2] == ("protocol", "settings") and path[3:] == ("kind",) and value == "meta":
                inner = {p[3:]: v for p, v in c.placed.items() if p[:3] == path[:3]}
                named[column] = bare(inner["name",]), inner
    texts: dict[str, str] = {}
    for name in {name for name, _ in named.values()}:
        alike = {column: inner for column, (of, inner) in named.items() if of == name}
        # Columns of several targets have the same reader.
        variants: dict[str, Flat] = {repr(sorted(inner.items())): inner for inner in alike.values()}
        apart = told(variants)
        for column, held in alike.items():
            differs = apart[repr(sorted(held.items()))]
            texts[column] = f"{name} ({differs})" if len(variants) > 1 else name
    return {column: texts.get(column, OWN) for column in found.columns}


def _mean(reader: str, cells: list[list[Cell]]) -> dict[str, float]:
    """The mean over places of the seeds that have all of them, with its interval; nothing without one."""
    by_seed = [{c.seed: c for c in of if c.ok} for of in cells]
    seeds = sorted(set.intersection(*(set(of) for of in by_seed)))
    if not seeds:
        return {}
    over_seeds = average_interval([[100 * of[seed].mean for of in by_seed] for seed in seeds])
    half = over_seeds.half or 0.0
    if len(seeds) == 1:
        half = 100 * math.sqrt(math.fsum(of[seeds[0]].ci95 ** 2 for of in by_seed)) / len(by_seed)
    return {reader: over_seeds.value, f"{reader} ci95": half}
