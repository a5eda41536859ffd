"""The leaderboard as one HTML file that opens from disk: no network, no server.

The table is drawn by Tabulator 6.5.3 (MIT, ``assets/tabulator.LICENSE``), whose unchanged distribution files are in
``assets``. Data are embedded as JSON that cannot break out into markup, names enter the document only as text nodes,
and the content-security policy admits only the page's own scripts and style, by their hashes.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.page.embedded import Reader, made_with, payload

#: What the page of a leaderboard of very many records lacks.
SUMMARIES = (
    "{:,} records: what compares single episodes, and the plots of all rows, are left out; "
    "`benchbench leaderboard RESULTS --view effects`, with filters, reads what it needs."
)
LIBRARY, LICENCE = ("assets/tabulator.min.js",), "assets/tabulator.LICENSE"
SCRIPTS = tuple(f"scripts/{name}.js" for name in ("view", "curve", "detail", "table", "controls", "budget", "main"))
STYLES = ("assets/tabulator_simple.min.css", "style.css")


def page(
    table: Table,
    plots: Mapping[str, str] | None = None,
    answers: Mapping[str, Table] | None = None,
    read: Reader | None = None,
) -> str:
    """The page of a table; `plots`: name -> SVG text; `answers`: tables of the views that stand beside the plots of
    their names; `read`: reads the records of cells that hold none. The same tables give the same bytes: the date that
    the page shows is its file's."""
    library, scripts, style = (_joined(names) for names in (LIBRARY, SCRIPTS, STYLES))
    # The licence asks to be included in every copy.
    library = f"/*\n{_text(LICENCE)}*/\n{library}"
    data = payload(table, plots or {}, answers or {}, read)
    matrices, versions = made_with(data)
    rows, left = len(table.rows), data.get("left", 0)
    notes = [f"The first {rows - left:,} of {rows:,} rows: leaderboard.csv has all."] if left else []
    notes += [SUMMARIES.format(table.records)] if read else []
    return Template(_text("template.html")).substitute(
        policy=_policy([library, scripts], style),
        style=style,
        library=library,
        scripts=scripts,
        data=_embedded(data),
        title=html.escape(matrices or "no records"),
        versions=html.escape(versions),
        notes="".join(f"<li>{html.escape(note)}</li>" for note in [*notes, *table.notes]),
        summary=", ".join(
            f"{count:,} {what}{'' if count == 1 else 's'}"
            for what, count in (
                ("method", rows),
                ("column", len(table.scored)),
                ("record", table.records),
            )
        ),
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _joined(names: tuple[str, ...]) -> str:
    # A browser's developer tools would request the source map.
    return re.sub(r"\n(//|/\*)# sourceMappingURL=.*", "", "\n".join(_text(name) for name in names))


def _policy(scripts: list[str], style: str) -> str:
    sources = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {sources}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(data: object) -> str:
    """JSON in ASCII without ``<``: neither a closing script tag nor a comment can begin in it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
