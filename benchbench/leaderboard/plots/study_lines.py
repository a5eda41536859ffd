"""The plot of a study's answers by budget."""

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
    no effect is known."""
    rows = [r for r in plain_rows(table) if r["effect"] is not None]
    if not rows:
        return None
    pretexts, methods = (list(dict.fromkeys(r[axis] for r in rows)) for axis in ("pretext", "meta"))
    figure, axes = panels(len(BANDS) * len(pretexts), 3.4, 2.2, columns=len(pretexts))
    places = [(band, pretext) for band in BANDS for pretext in pretexts]
    for axis, ((name, cost, scale, said), pretext) in zip(axes, places, strict=True):
        for i, method in enumerate(methods):
            known = [r for r in rows if (r["pretext"], r["meta"]) == (pretext, method) and r[name] is not None]
            known.sort(key=lambda r: r[cost])
            if not known:
                continue
            at, effects = [r[cost] for r in known], [r[name] for r in known]
            halves = [r[f"{name}_high"] - r[name] for r in known]
            axis.errorbar(at, effects, halves, marker=MARKERS[i], markersize=4, capsize=2, elinewidth=1, **strokes(i))
        axis.axhline(0, color=GREY, lw=0.8)
        axis.set_xscale("log")
        axis.minorticks_off()
        if name == "effect":
            axis.set_xticks(sorted({r["samples"] for r in rows}))
            axis.set_title(pretext)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.set_xlabel(scale)
        if pretext == pretexts[0]:
            axis.set_ylabel(said)
    handles = [Line2D([], [], marker=MARKERS[i], markersize=4, label=m, **strokes(i)) for i, m in enumerate(methods)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
