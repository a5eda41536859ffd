"""Sources x targets: what transfers, as heat maps."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import Grid, places
from benchbench.leaderboard.plots.figures import COLOURS, MOST_PANELS, panels
from benchbench.leaderboard.views.transfer import ALL as ALL_METHODS
from benchbench.leaderboard.views.transfer import ALL_PROTOCOLS, best_by_target, sources_of
from benchbench.leaderboard.views.transfer import transfer as by_source


def transfer(found: Grid) -> Figure | None:
    """The transfer matrix as heat maps: the mean over methods, then a panel per method. None for a single source."""
    rows = plain_rows(by_source(found))
    sources = list(dict.fromkeys(r["source"] for r in rows))
    if len(sources) < 2:
        return None
    targets: dict[str, list[str]] = {}
    for column, cell in places(found).items():
        if column in rows[0]:
            targets.setdefault(cell.target, []).append(column)
    shown = [column for columns in targets.values() for column in columns]
    ranked = [r["method"] for r in sorted(rows[len(sources) :], key=lambda r: -sum(r[c] for c in shown))]
    methods = [ALL_METHODS, *list(dict.fromkeys(ranked))[: MOST_PANELS - 1]]
    figure, axes = panels(len(methods), 1.6 + 0.8 * len(sources), 1.4 + 0.34 * len(targets), columns=3)
    tables = [_table({r["source"]: r for r in rows if r["method"] == m}, sources, targets) for m in methods]
    # One scale for all panels and rows, in points: targets are not equally hard, so from each target's own mean.
    shades = [values - values.mean(axis=1, keepdims=True) for values in tables]
    most = max(float(np.abs(shade).max()) for shade in shades) or 1.0
    for axis, method, values, shade in zip(axes, methods, tables, shades, strict=True):
        image = axis.imshow(shade, cmap="PuOr", aspect="auto", vmin=-most, vmax=most)
        for (i, j), value in np.ndenumerate(values):
            own = list(targets)[i] == sources[j]
            light = "white" if abs(shade[i, j]) > 0.7 * most else "black"
            weight = "bold" if own else "normal"
            axis.text(
                j, i, f"[{value:.1f}]" if own else f"{value:.1f}", ha="center", va="center", color=light, weight=weight
            )
        axis.set_yticks(range(len(targets)), list(targets))
        axis.set_xticks(range(len(sources)), sources)
        axis.grid(False)
        axis.set_title(f"mean of {rows[0]['methods']} methods" if method == ALL_METHODS else method)
    axes[0].set_ylabel("scored on")
    figure.supxlabel("trained on; [ ]: in-domain", fontsize=8)
    figure.colorbar(image, ax=axes, label="points from the mean of the target's row", shrink=0.8)
    figure.suptitle("score, %, mean over a target's protocols that every source has")
    return figure


def _table(of: dict[str, dict[str, Any]], sources: list[str], targets: dict[str, list[str]]) -> np.ndarray:
    """The scores of a method (targets, sources), each the mean over the target's columns."""
    return np.array([[np.mean([of[s][c] for c in columns]) for s in sources] for columns in targets.values()])


def best_transfer(found: Grid) -> Figure | None:
    """The best method of every source and target over the target's protocols, and whether it is told apart from the
    others. None for a single source, or without scores."""
    if len(sources_of(found)) < 2 or not all(c.record for c in found.everything if c.ok):
        return None
    rows = best_by_target(found)
    if not rows:
        return None
    sources, targets = sources_of(found), list(dict.fromkeys(r["target"] for r in rows))
    figure, (axis,) = panels(1, 1.6 + 2.3 * len(sources), 1.2 + 0.75 * len(targets))
    axis.set_xlim(-0.5, len(sources) - 0.5)
    axis.set_ylim(len(targets) - 0.5, -0.5)
    for r in rows:
        across, down = sources.index(r["source"]), targets.index(r["target"])
        alone = not r["tied"] and r["methods"] > 1
        axis.add_patch(Rectangle((across - 0.5, down - 0.5), 1, 1, facecolor=COLOURS[5] if alone else "white", lw=0))
        weight = "bold" if r["in_domain"] else "normal"
        name = r["best"].removesuffix(f", {r['source']}")
        axis.text(across, down, f"{name}\n{_verdict(r)}", ha="center", va="center", fontsize=8, weight=weight)
    axis.set_yticks(range(len(targets)), targets)
    axis.set_xticks(range(len(sources)), sources)
    axis.grid(False)
    axis.set_ylabel("scored on")
    axis.set_title("best method, mean over a target's protocols")
    figure.supxlabel("trained on; blue: better than every other method (5%, Holm); bold: in-domain", fontsize=8)
    return figure


def _verdict(row: dict[str, Any]) -> str:
    # A mean over fewer protocols says which: it does not compare with the others.
    over = row["column"].rpartition(", ")[2]
    score = f"{row['mean']:.1f}%" + (", " if over == ALL_PROTOCOLS else f" on {over}\n")
    if row["methods"] == 1:
        return f"{score}the only one"
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
    tied = f"; tied with {row['tied']}" if row["tied"] else ""
    return f"{score}{row['ahead']:+.1f} on the next\n{p}{tied}"
