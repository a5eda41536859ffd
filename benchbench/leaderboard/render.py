"""Tables as text and files. No timestamps: the same records give the same bytes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchbench.leaderboard.aggregate import Columns, Table, tabulated
from benchbench.leaderboard.cells import by_modality
from benchbench.leaderboard.columns import broken, fitted, terminal_width
from benchbench.leaderboard.document import document
from benchbench.leaderboard.grid import Grid, grid
from benchbench.leaderboard.latex import latex
from benchbench.leaderboard.page import page
from benchbench.leaderboard.safe import as_csv, one_line
from benchbench.leaderboard.views.effects import effects
from benchbench.leaderboard.views.scaling import cells_by_budget, scaling
from benchbench.store.files import atomic_write
from benchbench.store.records import Record

#: Most rows of LEADERBOARD.md, as many as a README can show. The other files hold all.
README_ROWS = 100
#: The folder of the plots, beside the other files.
PLOT_FOLDER = "plots"

#: What Markdown or HTML would read as markup.
_ESCAPES = str.maketrans({**{c: f"\\{c}" for c in "\\`*_[]|"}, "&": "&amp;", "<": "&lt;", ">": "&gt;"})


def markdown(table: Table) -> str:
    """A GitHub table and its notes; names are escaped."""
    columns = [escaped(c) for c in table.rows.columns]
    rows = [[escaped(v) for v in row] for row in table.rows.values.tolist()]
    body = tabulate(rows, columns, tablefmt="github", disable_numparse=True)
    return f"# {table.title}\n\n{body}\n\n" + "".join(f"- {escaped(n)}\n" for n in table.notes)


def escaped(value: object) -> str:
    """Text that neither Markdown nor HTML reads as markup, on one line."""
    return one_line(value).translate(_ESCAPES)


def csv(table: Table) -> str:
    """Plain numbers, for programs."""
    return as_csv(table.numbers)


def terminal(table: Table) -> str:
    """For a person at a terminal, with the columns that fit it; elsewhere, such as in a pipe, with all."""
    width = terminal_width()
    shown, said = fitted(table.rows, width)
    columns = [one_line(c) for c in shown.columns]
    rows = [[one_line(v) for v in row] for row in shown.values.tolist()]
    body = tabulate(rows, columns, tablefmt="simple", disable_numparse=True)
    if width is not None and max(map(len, body.split("\n"))) > width:
        body = tabulate(rows, list(map(broken, columns)), tablefmt="simple", disable_numparse=True)
    return body + "\n\n" + "\n".join(map(one_line, [*said, *table.notes]))


#: What ``--format`` offers.
FORMATS: dict[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv,
    "json": document,
    "latex": latex,
}


#: The files for people and diffs; all others are made from the same records on demand.
TABLES = ("LEADERBOARD.md", "leaderboard.csv")
FILES = (*TABLES, "leaderboard.json", "leaderboard.tex", "leaderboard.html")


def rendered(
    found: Grid,
    columns: Columns | None = None,
    plots: Mapping[str, str] | None = None,
    *,
    external: bool = False,
    names: Collection[str] = FILES,
    told: Mapping[str, Table] | None = None,
) -> dict[str, str]:
    """The files of a leaderboard except its plots, by name; `names` are those that are wanted. The page embeds `plots`,
    name -> SVG, and LEADERBOARD.md links to them. `told`: `answers`, if they are known."""
    table, drawn = tabulated(found, columns, external=external), plots or {}
    made: dict[str, Callable[[], str]] = {
        "LEADERBOARD.md": lambda: _readme(table, list(drawn)),
        "leaderboard.csv": lambda: csv(table),
        "leaderboard.json": lambda: document(table),
        "leaderboard.tex": lambda: latex(table),
        "leaderboard.html": lambda: page(
            table, drawn, answers(found.counted(external=external)) if told is None else told
        ),
    }
    return {name: make() for name, make in made.items() if name in names}


def answers(found: Grid) -> dict[str, Table]:
    """The tables that the page shows beside their plots: what is added to each pretext, and scores against budgets."""
    if not found.everything or not all(c.record for c in found.everything if c.ok):
        return {}
    tables = {"effects": effects(found)}
    if len(cells_by_budget(found)) > 1:
        tables["scaling"] = scaling(found)
    return {name: table for name, table in tables.items() if len(table.rows)}


def write_tables(
    records: Iterable[Record], folder: Path, columns: Columns | None = None, *, external: bool = False
) -> list[Path]:
    """Write only `TABLES`, without links to plots; returns their paths. Records of several modalities have a
    leaderboard each, in a folder of its name."""
    paths = []
    for place, part in leaderboards(records, folder).items():
        files = rendered(grid(part), columns, external=external, names=TABLES)
        for name in TABLES:
            atomic_write(place / name, files[name].encode())
        paths += [place / name for name in TABLES]
    return paths


def leaderboards(records: Iterable[Record], folder: Path) -> dict[Path, list[Record]]:
    """Where the leaderboard of each modality stands, and its records: in `folder` itself if there is one alone."""
    found: dict[str, Any] = by_modality(records)
    return {folder / name if len(found) > 1 else folder: part for name, part in found.items()}


def write_leaderboard(
    records: Iterable[Record], folder: Path, columns: Columns | None = None, *, external: bool = False
) -> list[Path]:
    """Write the leaderboard as Markdown, CSV, JSON, LaTeX and HTML, and its plots as SVG, PNG and PDF; returns their
    paths. Records of several modalities have a leaderboard each, in a folder of its name.

    Plots of an earlier leaderboard that these records do not give are removed.
    """
    each = (_write(part, place, columns, external) for place, part in leaderboards(records, folder).items())
    return [path for paths in each for path in paths]


def _write(records: list[Record], folder: Path, columns: Columns | None, external: bool) -> list[Path]:
    # Importing matplotlib takes longer than rendering the rest.
    from benchbench.leaderboard.plots.drawn import PLOTS, Drawn, drawn

    found = grid(records)
    counted = found.counted(external=external)
    told = answers(counted)
    plots = drawn(counted, told)
    svgs = {name: plot.svg for name, plot in plots.items()}
    files: dict[str, str | bytes] = {**rendered(found, columns, svgs, external=external, told=told)}
    for name, plot in plots.items():
        files |= {f"{PLOT_FOLDER}/{name}.{suffix}": content for suffix, content in plot._asdict().items()}
    for name, content in files.items():
        atomic_write(folder / name, content.encode() if isinstance(content, str) else content)
    for name in PLOTS.keys() - plots.keys():
        for suffix in Drawn._fields:
            (folder / PLOT_FOLDER / f"{name}.{suffix}").unlink(missing_ok=True)
    return [folder / name for name in files]


def _readme(table: Table, plots: list[str]) -> str:
    left = len(table.rows) - README_ROWS
    notes = [f"The first {README_ROWS} of {len(table.rows):,} rows; leaderboard.csv has all."] if left > 0 else []
    shown = Table(table.rows.head(README_ROWS), table.numbers, notes=notes + table.notes, title=table.title)
    return markdown(shown) + "".join(f"\n![{name}]({PLOT_FOLDER}/{name}.svg)\n" for name in plots)
