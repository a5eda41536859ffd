"""The plots of a study's answers."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.plots.figures import GREY, MARKERS, panels, strokes

#: What a band of panels shows: the effect, what it is drawn against, and what the axes say.
BANDS = (
    ("effect", "samples", "samples", "over plain training on\nas many samples, points"),
    ("equal", "flops", "training FLOPs", "over plain training of\nas many FLOPs, points"),
)


def study_lines(table: Table) -> Figure | None:
    """What every method adds across domains, against samples and FLOPs, a column of panels for each pretext. None where
    no effect is known. `table`: `answers_by_budget`."""
    rows = [r for r in plain_rows(table) if r["effect"] is not None]
    if not rows:
        return None
    pretexts, methods = (list(dict.fromkeys(r[axis] for r in rows)) for axis in ("pretext", "meta"))
    figure, axes = panels(len(BANDS) * len(pretexts), 3.4, 2.2, columns=len(pretexts))
    places = [(band, pretext) for band in BANDS for pretext in pretexts]
    for axis, ((name, cost, scale, said), pretext) in zip(axes, places, strict=True):
        for i, method in enumerate(methods):
            _line(axis, i, [r for r in rows if (r["pretext"], r["meta"]) == (pretext, method)], cost, name)
        _against(axis, scale)
        if name == "effect":
            axis.set_xticks(sorted({r["samples"] for r in rows}))
            axis.set_title(pretext)
        if pretext == pretexts[0]:
            axis.set_ylabel(said)
    _legend(figure, methods)
    return figure


def source_lines(table: Table) -> Figure | None:
    """The same for each source against samples: a row of panels for each pretext, a column for each source. `table`:
    `answers_by_source`."""
    rows = [
        {"samples": int(samples), "effect": effect, "effect_high": r[f"{name}_high"], **r}
        for r in plain_rows(table)
        for name, effect in r.items()
        if (samples := name.removeprefix("effect_")).isdecimal() and effect is not None
    ]
    if not rows:
        return None
    pretexts, methods, sources = (list(dict.fromkeys(r[axis] for r in rows)) for axis in ("pretext", "meta", "source"))
    figure, axes = panels(len(pretexts) * len(sources), 2.6, 2.2, columns=len(sources))
    places = [(pretext, source) for pretext in pretexts for source in sources]
    for axis, place in zip(axes, places, strict=True):
        for i, method in enumerate(methods):
            _line(axis, i, [r for r in rows if (r["pretext"], r["source"], r["meta"]) == (*place, method)])
        _against(axis, "samples")
        axis.set_xticks(sorted({r["samples"] for r in rows}))
        axis.set_title(" from ".join(place))
        if place[1] == sources[0]:
            axis.set_ylabel(BANDS[0][-1])
    _legend(figure, methods)
    return figure


def _line(axis: Axes, i: int, rows: list[dict[str, Any]], cost: str = "samples", name: str = "effect") -> None:
    """The line of the i-th method, with intervals."""
    known = sorted((r for r in rows if r[name] is not None), key=lambda r: r[cost])
    if not known:
        return
    at, effects = [r[cost] for r in known], [r[name] for r in known]
    halves = [r[f"{name}_high"] - r[name] for r in known]
    axis.errorbar(at, effects, halves, marker=MARKERS[i], markersize=4, capsize=2, elinewidth=1, **strokes(i))


def _against(axis: Axes, scale: str) -> None:
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set_xscale("log")
    axis.minorticks_off()
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(scale)


def _legend(figure: Figure, methods: Sequence[str]) -> None:
    handles = [Line2D([], [], marker=MARKERS[i], markersize=4, label=m, **strokes(i)) for i, m in enumerate(methods)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
