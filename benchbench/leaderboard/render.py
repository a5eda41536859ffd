"""Tables as text and files. No timestamps: the same records give the same bytes."""

import html
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchbench.leaderboard.aggregate import Columns, Table, aggregate
from benchbench.records import Record
from benchbench.store import atomic_write

STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 2rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; } thead th { position: sticky; top: 0; background: Canvas; }
li { max-width: 70rem; margin: .3rem 0; }
""".strip()


def markdown(table: Table) -> str:
    """A GitHub table and its notes; names are escaped."""
    columns = [_escaped(c) for c in table.rows.columns]
    rows = [[_escaped(v) for v in row] for row in table.rows.values.tolist()]
    body = tabulate(rows, columns, tablefmt="github", disable_numparse=True)
    return f"# Leaderboard\n\n{body}\n\n" + "".join(f"- {_escaped(n)}\n" for n in table.notes)


#: What Markdown or HTML would read as markup.
_ESCAPES = str.maketrans({**{c: f"\\{c}" for c in "\\`*_[]|"}, "&": "&amp;", "<": "&lt;", ">": "&gt;"})


def _escaped(value: object) -> str:
    """Text that neither Markdown nor HTML reads as markup, on one line."""
    return " ".join(str(value).split()).translate(_ESCAPES)


def csv(table: Table) -> str:
    """Plain numbers, for programs."""
    return table.numbers.to_csv(index=False, lineterminator="\n")


def terminal(table: Table) -> str:
    """For a person at a terminal."""
    columns = [str(c) for c in table.rows.columns]
    body = tabulate(table.rows.values.tolist(), columns, tablefmt="simple", disable_numparse=True)
    return body + "\n\n" + "\n".join(table.notes)


def page(table: Table) -> str:
    """One self-contained HTML page; every text is escaped."""
    with pd.option_context("display.max_colwidth", None):
        # Its default cuts long cells.
        body = table.rows.to_html(index=False, escape=True, border=0)
    notes = "".join(f"<li>{html.escape(n)}</li>" for n in table.notes)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>benchbench leaderboard</title>\n<style>\n{STYLE}\n</style>\n<h1>Leaderboard</h1>\n{body}\n"
        f"<ul>{notes}</ul>\n</html>\n"
    )


def write_leaderboard(records: Iterable[Record], folder: Path, columns: Columns | None = None) -> list[Path]:
    """Write LEADERBOARD.md, leaderboard.csv and leaderboard.html; returns their paths."""
    table = aggregate(records, columns)
    files = {
        "LEADERBOARD.md": markdown(table),
        "leaderboard.csv": csv(table),
        "leaderboard.html": page(table),
    }
    for name, text in files.items():
        atomic_write(folder / name, text.encode())
    return [folder / name for name in files]
