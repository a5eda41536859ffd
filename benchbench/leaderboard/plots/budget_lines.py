"""The plot of scores and effects against the budget."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import Grid
from benchbench.leaderboard.plots.figures import GREY, MOST_PANELS, panels, strokes
from benchbench.leaderboard.views.scaling import cells_by_budget
from benchbench.leaderboard.views.scaling import scaling as over_budgets

#: What stands on the two axes of each row of panels, and what the height says.
DRAWN = (
    ("budget", "mean", "samples", "accuracy, %\n(mean of all columns)"),
    ("budget", "effect", "samples", "over plain training on\nas many samples, points"),
    ("flops", "equal", "training FLOPs", "over plain training of\nas many FLOPs, points"),
)


def scaling(found: Grid) -> Figure | None:
    """Scores and effects of every method against samples and FLOPs, a column of panels for each source and pretext."""
    if len(cells_by_budget(found)) < 2 or not all(c.record for c in found.everything if c.ok):
        return None
    rows = [r for r in plain_rows(over_budgets(found)) if r["mean"] is not None]
    places = sorted({(r["source"], r["pretext"]) for r in rows})[:MOST_PANELS]
    methods = sorted({_method(r) for r in rows})
    figure, axes = panels(len(DRAWN) * len(places), 3.4, 2.4, columns=len(places))
    for (x, y, scale, said), band in zip(DRAWN, _bands(axes, len(places)), strict=True):
        for axis, place in zip(band, places, strict=True):
            for i, method in enumerate(methods):
                points = [
                    r for r in rows
                    if (r["source"], r["pretext"]) == place and _method(r) == method
                    and r[y] is not None and r[x] is not None
                ]  # fmt: skip
                points.sort(key=lambda r: r[x])
                low, high = ("low", "high") if y == "mean" else (f"{y}_low", f"{y}_high")
                if points:
                    at = [r[x] for r in points]
                    axis.plot(at, [r[y] for r in points], label=method, marker="o", markersize=3, **strokes(i))
                    axis.fill_between(
                        at, [r[low] for r in points], [r[high] for r in points], color=strokes(i)["color"], alpha=0.15
                    )
            axis.set_xscale("log")
            axis.minorticks_off()
            if x == "budget":
                axis.set_xticks(sorted({r["budget"] for r in rows}))
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
            axis.set_xlabel(scale)
            if y != "mean":
                axis.axhline(0, color=GREY, lw=0.8)
            else:
                axis.set_title(" ".join(filter(None, (place[1], f"on {place[0]}" if place[0] else ""))))
        band[0].set_ylabel(said)
    handles: dict[str, Any] = {}
    for axis in axes:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def _bands(axes: list[Any], width: int) -> list[list[Any]]:
    return [axes[i : i + width] for i in range(0, len(axes), width)]


def _method(row: dict[str, Any]) -> str:
    return ", ".join(filter(None, (row["meta"], row["variant"])))
