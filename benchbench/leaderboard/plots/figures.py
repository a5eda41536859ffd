"""How plots are styled and saved: the same figure gives the same file, readable in colour, in grey and in print."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

#: Okabe and Ito (2008): distinguishable with any colour vision; ordered so that neighbours differ in lightness too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#8A8A8A")
#: A second cue for each, so that nothing relies on colour alone.
MARKERS: tuple[Any, ...] = (
    *("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "d"),
    # Stars: corners, 1, degrees.
    *((4, 1, 0), (3, 1, 0), (6, 1, 0), (3, 1, 180), (4, 1, 45), (8, 1, 0)),
    *("H", "8", "h", (5, 0, 180), (7, 0, 0), (5, 1, 180)),
)
FILLS: tuple[Any, ...] = ("full", "left", "top", "right", "bottom")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
GREY = "#767676"
#: More panels than this are unreadable in one figure.
MOST_PANELS = 6
#: Width of a letter of a name, in inches.
LETTER = 0.07

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "benchbench",
    # Text stays text: it can be searched and read aloud, and files stay small.
    "svg.fonttype": "none",
    # TrueType: type 3 fonts are refused by conferences.
    "pdf.fonttype": 42,
    # A name may contain a dollar sign.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.markersize": 5.5,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save within this context: matplotlib reads its settings both times, and ours must not leak."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(
    count: int, width: float, height: float, *, columns: int = 4, names: Iterable[str] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, each `width` x `height` inches, at most `columns` side by side, with room for `names`
    on their left."""
    across = min(count, columns)
    down = -(-count // across)
    left = LETTER * max(map(len, names), default=0)
    figure = Figure(figsize=(left + width * across, height * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def strokes(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i % len(LINES)]}


def svg(figure: Figure) -> str:
    """The figure as SVG text, without date or version."""
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def pdf(figure: Figure) -> bytes:
    """The figure as PDF, for papers, without date or version. Its text is text, in fonts that publishers accept."""
    out = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(out, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return out.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG at 144 dots per inch, without date or version."""
    out = io.BytesIO()
    figure.set_dpi(144)
    FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()
