"""How pretexts and meta-algorithms are told apart in a plot."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchbench.leaderboard.plots.figures import COLOURS, FILLS, MARKERS


class Signs:
    """One colour and fill per pretext, one marker per meta-algorithm; hollow if nothing was trained."""

    def __init__(self, rows: list[dict[str, Any]]):
        self.pretexts = sorted({r["pretext"] for r in rows})
        self.metas = sorted({r["meta"] for r in rows})
        self.hollow = any(not r["regime"] for r in rows)

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """How a row is drawn."""
        marker = MARKERS[self.metas.index(row["meta"]) % len(MARKERS)]
        # A floor has no regime.
        return self._pretext(row["pretext"], None if row["regime"] else "none") | {"marker": marker}

    def _pretext(self, name: str, fill: str | None = None) -> dict[str, Any]:
        i = self.pretexts.index(name)
        colour = COLOURS[i % len(COLOURS)]
        fill = fill or FILLS[i % len(FILLS)]
        return {"color": colour, "fillstyle": fill, "markerfacecoloralt": "white", "markeredgecolor": colour}

    def legend(self, figure: Figure) -> None:
        """Put a legend beneath the figure: colours, then markers."""
        signs = [
            Line2D([], [], marker="o", markersize=8, linestyle="none", label=name, **self._pretext(name))
            for name in self.pretexts
        ]
        signs += [
            Line2D([], [], color="#444444", linestyle="none", marker=MARKERS[i % len(MARKERS)], label=name)
            for i, name in enumerate(self.metas)
        ]
        if self.hollow:
            hollow: dict[str, Any] = {"marker": "o", "fillstyle": "none", "color": "#444444", "linestyle": "none"}
            signs.append(Line2D([], [], label="hollow: floor, not trained", **hollow))
        figure.legend(handles=signs, loc="outside lower center", ncols=5)
