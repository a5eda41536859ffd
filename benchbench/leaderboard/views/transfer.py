"""Where a method was trained against where it is scored."""

import math
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import Grid, Row
from benchbench.leaderboard.views.text import number, tabular


def transfer(found: Grid) -> Table:
    """Source x target: accuracy averaged over the methods that were trained on every source and scored everywhere."""
    trained: dict[tuple[str, ...], dict[str, Row]] = {}
    for row, members in found.members.items():
        if not members[0].floor:
            method = (row.pretext, row.meta, row.backbone, row.regime)
            # Of several settings of a method the first that is complete stands for it.
            if row.source not in trained.setdefault(method, {}) or not found.complete(trained[method][row.source]):
                trained[method][row.source] = row
    sources = {c.source for c in found.everything if not c.floor}
    methods = {
        method: rows
        for method, rows in trained.items()
        if len(rows) == len(sources) and all(found.complete(row) for row in rows.values())
    }
    rows: list[dict[str, Any]] = []
    for source in sorted(sources) if methods else []:
        numbers: dict[str, Any] = {"source": source, "methods": len(methods)}
        for column in found.columns:
            # With a single source rows do not name it.
            means = [found.scores[of.get(source) or of[""]][column].mean for of in methods.values()]
            numbers[column] = math.fsum(means) / len(means)
        rows.append(numbers)
    columns: dict[str, Any] = {"source": lambda r: r["source"]}
    for name in found.columns:
        columns[name] = lambda r, name=name: number(r[name])
    notes = [
        f"Percent, the plain mean over {len(methods)} methods: those that were trained on every source "
        f"({', '.join(sorted(sources))}) and have a score in every column. Floors are left out: they have no source.",
    ]
    if left := len(trained) - len(methods):
        notes.append(f"{left} other methods lack a source or a column; a mean over other methods would not compare.")
    if len(sources) == 1:
        notes.append("A single source says nothing of transfer between sources.")
    return tabular("Transfer", rows, columns, notes)
