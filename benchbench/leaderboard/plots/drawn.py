"""The leaderboard's plots. Each is drawn only if the records have something to show."""

import math
from collections.abc import Callable, Collection, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import Grid, average_ranks, names, ordered
from benchbench.leaderboard.plots.budget_lines import scaling
from benchbench.leaderboard.plots.figures import (
    COLOURS,
    GREY,
    MOST_PANELS,
    panels,
    pdf,
    png,
    strokes,
    styled,
    svg,
)
from benchbench.leaderboard.plots.heatmaps import best_transfer, transfer
from benchbench.leaderboard.plots.signs import Signs
from benchbench.leaderboard.statistics.across import FEWEST_TARGETS
from benchbench.leaderboard.views.comparison import over_targets
from benchbench.leaderboard.views.cost import pareto
from benchbench.leaderboard.views.curves import adaptation as over_steps
from benchbench.leaderboard.views.curves import curve
from benchbench.leaderboard.views.curves import shots as over_shots
from benchbench.leaderboard.views.diagnostics import explained, measures
from benchbench.leaderboard.views.effects import effects as marginal_effects
from benchbench.leaderboard.views.overfitting import overfitting as gaps
from benchbench.leaderboard.views.questions import ALL

#: More rows than this are unreadable in one figure; only the best are shown, and the title says so.
MOST_ROWS = 30
MOST_LINES = 10


class Drawn(NamedTuple):
    """A plot as SVG text, as PNG and as PDF; the fields are the suffixes of its files."""

    svg: str
    png: bytes
    pdf: bytes


def drawn(
    found: Grid, told: Mapping[str, Table] | None = None, which: Collection[str] | None = None
) -> dict[str, Drawn]:
    """The plots of a grid by name, or `which` of them. `told`: tables of views that are known already, whose plots need
    not make them."""
    known: dict[str, Callable[[], Figure | None]] = {"effects": lambda: effects(found, (told or {}).get("effects"))}
    with styled():
        figures = {
            name: known[name]() if name in known else draw(found)
            for name, draw in PLOTS.items()
            if which is None or name in which
        }
        return {name: Drawn(svg(figure), png(figure), pdf(figure)) for name, figure in figures.items() if figure}


def scores(found: Grid) -> Figure | None:
    """Mean and 95% interval of every row, one panel per column, best row on top."""
    rows = [row for row in ordered(found, average_ranks(found)) if any(found.scored(row, c) for c in found.columns)]
    if not rows:
        return None
    shown, columns, text = rows[:MOST_ROWS], found.columns[:MOST_PANELS], names(found)
    height = 1.0 + 0.2 * len(shown)
    figure, axes = panels(len(columns), 2.6, height, columns=MOST_PANELS, names=[text[row] for row in shown])
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
    if len(shown) < len(rows) or len(columns) < len(found.columns):
        figure.suptitle(f"the best {len(shown)} of {len(rows)} rows, {len(columns)} of {len(found.columns)} columns")
    signs = [Line2D([], [], label=kind, **KINDS[kind]) for kind in KINDS if kind in kinds.values()]
    figure.legend(handles=signs, loc="outside lower center", ncols=len(signs))
    return figure


_POINT: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "#222222", "color": "#555555"}
KINDS: dict[str, dict[str, Any]] = {
    "reads labels": {**_POINT, "marker": "s", "markerfacecolor": COLOURS[1]},
    "reads no labels": {**_POINT, "marker": "o", "markerfacecolor": COLOURS[0]},
    "floor, not trained": {**_POINT, "marker": "D", "markerfacecolor": "white"},
}


def _kind(members: list[Cell]) -> str:
    if any(c.floor for c in members):
        return "floor, not trained"
    return "reads labels" if any(c.ok and c.labels != "none" for c in members) else "reads no labels"


def cost(found: Grid) -> Figure | None:
    """Mean accuracy against training seconds, FLOPs and encoder parameters, with the front of each."""
    rows = plain_rows(pareto(found))
    costs = {"train_seconds": "training seconds", "flops": "training FLOPs", "parameters": "encoder parameters"}
    shown = [what for what in costs if len({r[what] for r in rows if r[what]}) > 1]
    if not shown:
        return None
    look = Signs(rows)
    figure, axes = panels(len(shown), 4.4, 4.2)
    for axis, what in zip(axes, shown, strict=True):
        there = [r for r in rows if r[what] is not None]
        for r in there:
            axis.plot(r[what], r["accuracy"], **look.of(r), linestyle="none")
        front = sorted((r for r in there if r[f"front_{what}"]), key=lambda r: (r[what], r["accuracy"]))
        axis.step([r[what] for r in front], [r["accuracy"] for r in front], where="post", color=GREY, lw=1, zorder=0)
        # Numbered above and to the left, where a front has no points: names would overlap.
        for i, r in enumerate(front, 1):
            axis.annotate(str(i), (r[what], r["accuracy"]), (-4, 5), textcoords="offset points", ha="right", fontsize=7)
        named = "\n".join(f"{i}  {r['method']}" for i, r in enumerate(front, 1))
        axis.set_title(f"best for their cost\n{named}", loc="left", fontsize=7)
        paid = [r[what] for r in there if r[what] > 0]
        # Floors cost nothing, which a logarithmic axis cannot show.
        axis.set_xscale("symlog", linthresh=min(paid), linscale=0.4)
        axis.set_xlim(-min(paid) / 5 if len(paid) < len(there) else min(paid) / 2, 2 * max(paid))
        powers = range(math.ceil(math.log10(min(paid))), math.floor(math.log10(2 * max(paid))) + 1)
        # Beside 0 there is room for a short number alone.
        least = [min(paid)] if min(paid) >= 0.1 else []
        ticks = [0, *least, *(10.0**n for n in powers if 10.0**n > 2 * min(paid))]
        # Where no power of ten lies between the least and the most, the most says how far the axis goes.
        axis.set_xticks([*ticks, *([max(paid)] if len(ticks) < 3 and max(paid) > 2 * max(ticks) else [])])
        # Of seconds a prefix misleads: 199m would read as minutes.
        axis.xaxis.set_major_formatter(_seconds if what == "train_seconds" else EngFormatter(places=0, sep=""))
        axis.minorticks_off()
        axis.margins(y=0.12)
        axis.set_xlabel(f"{costs[what]} (logarithmic{', from 0' if len(paid) < len(there) else ''})")
    axes[0].set_ylabel(f"accuracy, % (mean of {len(found.columns)} columns)")
    look.legend(figure)
    return figure


def _seconds(value: float, _: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def shots(found: Grid) -> Figure | None:
    """Accuracy over shots, one panel for each target and number of ways with several shots."""
    rows = plain_rows(over_shots(found))
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for r in rows:
        groups.setdefault((r["target"], r["ways"]), []).append(r)
    groups = {where: of for where, of in groups.items() if len({r["shots"] for r in of}) > 1}
    if not groups:
        return None
    chosen = list(groups.items())[:MOST_PANELS]
    figure, axes = panels(len(chosen), 3.4, 3.2, columns=3)
    best = [name for name in _by_rank(found) if any(r["method"] == name for r in rows)][:MOST_LINES]
    rows = [r for r in rows if r["method"] in best or not r["regime"]]
    look = Signs(rows)
    for axis, ((target, ways), of) in zip(axes, chosen, strict=True):
        for name in dict.fromkeys(r["method"] for r in rows):
            line = sorted((r for r in of if r["method"] == name), key=lambda r: r["shots"])
            if not line:
                continue
            axis.errorbar(
                [r["shots"] for r in line],
                [r["mean"] for r in line],
                yerr=[r["ci95"] for r in line],
                **look.of(line[0]),
                lw=1,
            )
        ticks = sorted({r["shots"] for r in of})
        axis.set_xscale("log")
        axis.set_xticks(ticks, [str(k) for k in ticks])
        axis.minorticks_off()
        axis.set_title(f"{target}, {ways} ways")
        axis.set_xlabel("shots")
    axes[0].set_ylabel("accuracy, % (95% interval)")
    figure.suptitle(f"the best {MOST_LINES} methods and floors")
    look.legend(figure)
    return figure


def diagnostics(found: Grid) -> Figure | None:
    """Score against each measure of the representation, including CKA to the oracle: one line of panels per column."""
    rows = explained(found)
    if not rows:
        return None
    columns, what = list(dict.fromkeys(r["column"] for r in rows))[:MOST_PANELS], measures(rows)
    figure, axes = panels(len(columns) * len(what), 2.3, 2.2, columns=len(what))
    look = Signs(rows)
    for axis, (column, name) in zip(axes, product(columns, what), strict=True):
        for r in rows:
            if r["column"] == column and name in r["measures"]:
                axis.plot(r["measures"][name], r["score"], **look.of(r), linestyle="none")
        axis.margins(0.1)
        if name == what[0]:
            axis.set_ylabel(f"{column}, %")
        if column == columns[-1]:
            axis.set_xlabel(name.replace("_", " "))
    look.legend(figure)
    return figure


def learning(found: Grid) -> Figure | None:
    """Training loss over samples, one panel per pretext, since losses do not compare across pretexts."""
    text = names(found)
    points = [p for row in found.cells for p in curve(found, row, text[row]) if p["loss"] is not None]
    pretexts = sorted({p["pretext"] for p in points})[: 2 * MOST_PANELS]
    if not pretexts:
        return None
    figure, axes = panels(len(pretexts), 3.0, 2.6, columns=4)
    metas = sorted({p["meta"] for p in points})
    for axis, pretext in zip(axes, pretexts, strict=True):
        here = [p for p in points if p["pretext"] == pretext]
        for name in dict.fromkeys(p["method"] for p in here):
            line = [p for p in here if p["method"] == name]
            sign = metas.index(line[0]["meta"])
            axis.plot([p["samples"] for p in line], [p["loss"] for p in line], **strokes(sign), lw=1.3)
        axis.set_title(f"pretext {pretext}")
        # Some losses, such as a negated similarity, are below zero.
        if all(p["loss"] > 0 for p in here):
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.set_xlabel("samples")
    logarithmic = all(axis.get_yscale() == "log" for axis in axes)
    axes[0].set_ylabel(f"training loss{' (logarithmic)' if logarithmic else ''}")
    signs = [Line2D([], [], label=meta, **strokes(i), lw=1.3) for i, meta in enumerate(metas)]
    figure.legend(handles=signs, loc="outside lower center", ncols=min(6, len(signs)))
    return figure


def adaptation(found: Grid) -> Figure | None:
    """Scores of the best methods over adaptation steps, one panel per metric and column."""
    rows = [r for r in plain_rows(over_steps(found)) if r["metric"] in ("accuracy", "loss")]
    places = sorted({(r["metric"], r["column"]) for r in rows})[:MOST_PANELS]
    if len({r["steps"] for r in rows}) < 2:
        return None
    figure, axes = panels(len(places), 3.2, 2.8, columns=3)
    shown = list(dict.fromkeys(r["method"] for r in rows))[:MOST_LINES]
    for axis, (metric, column) in zip(axes, places, strict=True):
        for i, method in enumerate(shown):
            line = [r for r in rows if (r["metric"], r["column"], r["method"]) == (metric, column, method)]
            axis.plot([r["steps"] for r in line], [r["mean"] for r in line], **strokes(i), lw=1.3, marker=".")
        axis.set_title(column)
        axis.set_xlabel("adaptation steps")
        axis.set_ylabel(metric)
    signs = [Line2D([], [], label=method, **strokes(i), lw=1.3) for i, method in enumerate(shown)]
    figure.legend(handles=signs, loc="outside lower center", ncols=min(3, len(signs)))
    return figure


def overfitting(found: Grid) -> Figure | None:
    """Accuracy at the end of training beside that on test episodes of the same dataset, one line per method and
    column."""
    rows = plain_rows(gaps(found))[:MOST_ROWS]
    if not rows:
        return None
    figure, (axis,) = panels(1, 5.6, 1.1 + 0.2 * len(rows))
    for y, r in enumerate(rows):
        axis.plot([r["test"], r["train"]], [y, y], color=GREY, lw=1, zorder=0)
    looks = (("train", "white", "its own training episodes"), ("test", COLOURS[0], "test episodes of new classes"))
    for name, face, label in looks:
        look = {**_POINT, "marker": "o", "markerfacecolor": face}
        axis.plot([r[name] for r in rows], range(len(rows)), **look, label=label)
    several = len({r["column"] for r in rows}) > 1
    axis.set_yticks(range(len(rows)), [f"{r['method']}, {r['column']}" if several else r["method"] for r in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("accuracy, %" if several else f"accuracy, %, {rows[0]['column']}")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def effects(found: Grid, table: Table | None = None) -> Figure | None:
    """What meta-learning adds to each pretext, and what each pretext adds to an untrained encoder."""
    if not all(c.record for c in found.everything if c.ok):
        return None
    rows = [r for r in plain_rows(table or marginal_effects(found)) if r["axis"] in ("meta", "pretext")]
    if not rows:
        return None
    figure, (axis,) = panels(1, 6.4, 1.1 + 0.2 * len(rows))
    for significant, face in ((True, COLOURS[0]), (False, "white")):
        chosen = [(y, r) for y, r in enumerate(rows) if (r["verdict"] != "tie") == significant]
        if chosen:
            axis.errorbar(
                [r["effect"] for _, r in chosen],
                [y for y, _ in chosen],
                xerr=[
                    [r["effect"] - r["effect_low"] for _, r in chosen],
                    [r["effect_high"] - r["effect"] for _, r in chosen],
                ],
                **{**_POINT, "marker": "o", "markerfacecolor": face},
                label="differs from 0 (5%, Holm)" if significant else "does not differ from 0",
            )
    axis.axvline(0, color="#222222", lw=0.8)
    labels = [_effect(r) for r in rows]
    axis.set_yticks(range(len(rows)), labels)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(
        "percentage points (95% interval) over the pretext\nwithout meta-learning; plain: over an untrained encoder"
    )
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def ranks(found: Grid) -> Figure | None:
    """The critical-difference diagram (Demšar 2006), if there are enough targets."""
    across = over_targets(found, ordered(found, average_ranks(found))[:MOST_ROWS])
    if not across or len(across.targets) < FEWEST_TARGETS:
        return None
    order = np.argsort(across.mean_ranks, kind="stable").tolist()
    left = (len(order) + 1) // 2
    figure, (axis,) = panels(1, 7.0, 1.3 + 0.2 * left + 0.1 * len(across.cliques))
    top, lines = 1 + 0.5 * len(across.cliques), len(across.methods)
    axis.set_xlim(lines + 0.5, 0.5)
    axis.set_ylim(-top - left, 1.6)
    for place, i in enumerate(order):
        rank, name = across.mean_ranks[i], across.methods[i]
        best = place < left
        y = -top - (place if best else lines - 1 - place)
        end = 0.5 if best else lines + 0.5
        axis.plot([rank, rank, end], [0, y, y], color="#222222", lw=0.8, clip_on=False)
        side: dict[str, Any] = {"ha": "left", "xytext": (3, 0)} if best else {"ha": "right", "xytext": (-3, 0)}
        axis.annotate(f"{name}  {rank:.2f}", (end, y), textcoords="offset points", va="center", fontsize=8, **side)
    for level, group in enumerate(across.cliques):
        reach = [across.mean_ranks[across.methods.index(name)] for name in group]
        axis.plot([min(reach) - 0.05, max(reach) + 0.05], [-0.5 - 0.5 * level] * 2, color="#222222", lw=3.5)
    axis.plot([1, 1 + across.critical_difference], [1.2] * 2, color="#222222", lw=1.2, marker="|")
    axis.annotate(
        f"critical difference {across.critical_difference:.2f}", (1, 1.2), (0, 4), textcoords="offset points",
        ha="right", fontsize=8,
    )  # fmt: skip
    axis.xaxis.set_ticks_position("top")
    axis.set_xticks(range(1, lines + 1, 1 + lines // 12))
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.spines["top"].set(visible=True, position=("data", 0))
    axis.set_yticks([])
    axis.grid(False)
    axis.set_title(f"mean rank over {len(across.targets)} targets; bars join what is not told apart", pad=24)
    return figure


def _effect(row: dict[str, Any]) -> str:
    if row["axis"] == "pretext":
        return f"{row['value']}, plain"
    return f"{row['value']} on {'all pretexts' if row['pretext'] == ALL else row['pretext']}"


def _by_rank(found: Grid) -> list[str]:
    text = names(found)
    return [text[row] for row in ordered(found, average_ranks(found))]


PLOTS: dict[str, Callable[[Grid], Figure | None]] = {
    "scores": scores,
    "effects": effects,
    "scaling": scaling,
    "cost": cost,
    "ranks": ranks,
    "shots": shots,
    "transfer": transfer,
    "best-transfer": best_transfer,
    "diagnostics": diagnostics,
    "learning": learning,
    "overfitting": overfitting,
    "adaptation": adaptation,
}
#: Those that show the best rows, however many there are, and ask for no record.
OF_THE_BEST = ("scores", "ranks")
