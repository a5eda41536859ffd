"""Tables as text and files. No timestamps: the same records give the same bytes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tabulate import tabulate

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import uncollected
from benchbench.leaderboard.columns import broken, fitted, terminal_width
from benchbench.leaderboard.document import document, document_parts
from benchbench.leaderboard.grid import Grid
from benchbench.leaderboard.latex import latex
from benchbench.leaderboard.page import page
from benchbench.leaderboard.page.embedded import Reader
from benchbench.leaderboard.safe import as_csv, csv_parts, one_line
from benchbench.leaderboard.views.effects import effects
from benchbench.leaderboard.views.scaling import cells_by_budget, scaling
from benchbench.store.files import RecordReader, atomic_write

#: Most rows of LEADERBOARD.md, as many as a README can show. The other files hold all.
README_ROWS = 100
#: Records of which files are made of summaries alone: whole, a hundred thousand take gigabytes.
LARGE = 20_000
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
    table: Table,
    plots: Mapping[str, str] | None = None,
    *,
    names: Collection[str] = FILES,
    told: Mapping[str, Table] | None = None,
    read: Reader | None = None,
) -> Iterator[tuple[str, Iterable[str]]]:
    """The files of a leaderboard except its plots, name and text in parts, one at a time, since those of a large one
    are large; `names` are those that are wanted. The page embeds `plots`, name -> SVG, and LEADERBOARD.md links to
    them. `told`: `answers`, if they are known. `read`: reads the records of those cells that the page shows."""
    drawn = plots or {}
    made: dict[str, Callable[[], Iterable[str]]] = {
        "LEADERBOARD.md": lambda: [_readme(table, list(drawn))],
        "leaderboard.csv": lambda: csv_parts(table.numbers),
        "leaderboard.json": lambda: document_parts(table),
        "leaderboard.tex": lambda: [latex(table)],
        "leaderboard.html": lambda: [page(table, drawn, answers(table.counted) if told is None else told, read)],
    }
    return ((name, make()) for name, make in made.items() if name in names)


def answers(found: Grid | None) -> dict[str, Table]:
    """The tables that the page shows beside their plots: what is added to each pretext, and scores against budgets.
    None without whole records."""
    if not found or not found.everything or not whole(found):
        return {}
    tables = {"effects": effects(found)}
    if len(cells_by_budget(found)) > 1:
        tables["scaling"] = scaling(found)
    return {name: table for name, table in tables.items() if len(table.rows)}


def whole(found: Grid) -> bool:
    """Whether every cell that was scored holds its record."""
    return all(c.record for c in found.everything if c.ok)


@uncollected()
def write_tables(table: Table, folder: Path) -> list[Path]:
    """Write only `TABLES`, without links to plots; returns their paths."""
    for name, parts in rendered(table, names=TABLES):
        atomic_write(folder / name, map(str.encode, parts))
    return [folder / name for name in TABLES]


@uncollected()
def write_leaderboard(table: Table, folder: Path, store: Path | None = None) -> list[Path]:
    """Write the leaderboard as Markdown, CSV, JSON, LaTeX and HTML, and its plots as SVG, PNG and PDF; returns their
    paths. Where its cells hold no records, those that the page shows are read from the results folder `store`, and what
    asks for all others is left out, as the page says.

    Plots of an earlier leaderboard that these records do not give are removed.
    """
    # Importing matplotlib takes longer than rendering the rest.
    from benchbench.leaderboard.plots.drawn import OF_THE_BEST, PLOTS, Drawn, drawn

    counted = table.counted
    told = answers(counted)
    plots = drawn(counted, told, PLOTS if whole(counted) else OF_THE_BEST) if counted else {}
    svgs = {name: plot.svg for name, plot in plots.items()}
    read = None
    if store and counted and not whole(counted):
        read = RecordReader(store)
    paths = []
    for name, parts in rendered(table, svgs, told=told, read=read):
        atomic_write(folder / name, map(str.encode, parts))
        paths.append(folder / name)
    for name, plot in plots.items():
        for suffix, content in plot._asdict().items():
            path = folder / PLOT_FOLDER / f"{name}.{suffix}"
            atomic_write(path, content.encode() if isinstance(content, str) else content)
            paths.append(path)
    for name in PLOTS.keys() - plots.keys():
        for suffix in Drawn._fields:
            (folder / PLOT_FOLDER / f"{name}.{suffix}").unlink(missing_ok=True)
    return paths


def places_of(modalities: Collection[str], folder: Path) -> dict[str, Path]:
    """Where the leaderboard of each modality stands: in `folder` itself if there is one alone."""
    return {name: folder / name if len(modalities) > 1 else folder for name in modalities}


def first_rows(table: Table) -> Table:
    """The table with its first `README_ROWS` rows, if it has more, and a note that says so."""
    left = len(table.rows) - README_ROWS
    if left <= 0:
        return table
    note = f"The first {README_ROWS} of {len(table.rows):,} rows; leaderboard.csv has all."
    return replace(table, rows=table.rows.head(README_ROWS), notes=[note, *table.notes])


def _readme(table: Table, plots: list[str]) -> str:
    return markdown(first_rows(table)) + "".join(f"\n![{name}]({PLOT_FOLDER}/{name}.svg)\n" for name in plots)
