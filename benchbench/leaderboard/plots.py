"""The leaderboard's plots. Each is drawn where the records have something to show for it."""

from collections.abc import Callable, Iterable
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.figures import COLOURS, panels, png, styled, svg
from benchbench.leaderboard.grid import Grid, average_ranks, grid, names, ordered
from benchbench.records import Record

#: More rows than this cannot be read on one figure; the best stand for all, and the title says so.
MOST_ROWS = 30
MOST_PANELS = 6


def svgs(records: Iterable[Record | Cell]) -> dict[str, str]:
    """The plots of some records as SVG text, by name (``scores``, ``cost`` ...)."""
    return {name: text for name, (text, _) in drawn(grid(records)).items()}


def drawn(found: Grid) -> dict[str, tuple[str, bytes]]:
    """The plots of a grid by name, as SVG text and as PNG."""
    with styled():
        figures = {name: draw(found) for name, draw in PLOTS.items()}
        return {name: (svg(figure), png(figure)) for name, figure in figures.items() if figure}


def scores(found: Grid) -> Figure | None:
    """Mean and 95% interval of every row, a panel a column, best row on top."""
    rows = [row for row in ordered(found, average_ranks(found)) if any(found.scored(row, c) for c in found.columns)]
    if not rows:
        return None
    shown, columns, text = rows[:MOST_ROWS], found.columns[:MOST_PANELS], names(found)
    figure, axes = panels(len(columns), 3.2, 1.0 + 0.2 * len(shown), columns=MOST_PANELS)
    kinds = {row: _kind(found.members[row]) for row in shown}
    for axis, column in zip(axes, columns, strict=True):
        for kind, look in KINDS.items():
            scored = [(y, s) for y, row in enumerate(shown) if kinds[row] == kind and (s := found.scored(row, column))]
            if scored:
                axis.errorbar(
                    [s.mean for _, s in scored],
                    [y for y, _ in scored],
                    xerr=[s.interval or 0 for _, s in scored],
                    **look,
                )
        axis.set_title(column)
        axis.set_xlabel("accuracy, % (mean, 95% interval)")
        axis.set_ylim(len(shown) - 0.5, -0.5)
        axis.set_yticks(range(len(shown)), [text[row] for row in shown] if axis is axes[0] else [])
    signs = [Line2D([], [], label=kind, **KINDS[kind]) for kind in KINDS if kind in kinds.values()]
    figure.legend(handles=signs, loc="outside lower center", ncols=len(signs))
    return figure


_POINT = {"linestyle": "none", "markeredgecolor": "#222222", "color": "#555555"}
KINDS: dict[str, dict[str, Any]] = {
    "reads labels": {**_POINT, "marker": "s", "markerfacecolor": COLOURS[1]},
    "reads no labels": {**_POINT, "marker": "o", "markerfacecolor": COLOURS[0]},
    "floor, not trained": {**_POINT, "marker": "D", "markerfacecolor": "white"},
}


def _kind(members: list[Cell]) -> str:
    if any(c.floor for c in members):
        return "floor, not trained"
    return "reads labels" if any(c.ok and c.labels == "source" for c in members) else "reads no labels"


PLOTS: dict[str, Callable[[Grid], Figure | None]] = {"scores": scores}
