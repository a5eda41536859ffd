"""Tables for papers: booktabs, the best in bold, the second underlined, ties by significance."""

import re

import numpy as np

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.safe import one_line
from benchbench.leaderboard.statistics.ranks import tied_ranks

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "↓": r"$^\downarrow$",
    "–": "--",
    # A bracket after a line break would be read as its argument.
    "[": "{[}",
    "]": "{]}",
}
_ESCAPES = str.maketrans(_SPECIAL)
TIES = (
    "Bold: the best of a column and all that its interval does not separate from it; underlined: the best of the rest, "
    "likewise (|difference| <= sqrt(ci1^2 + ci2^2), as in Meta-Dataset)."
)


def latex(table: Table) -> str:
    """A ``table`` environment for ``\\usepackage{booktabs}``, with its notes beneath."""
    names = [str(c) for c in table.rows.columns]
    marks = {name: tie_places(table, name) for name in table.scored}
    lines = []
    for i, row in enumerate(table.rows.values.tolist()):
        cells = [_marked(escaped(v), marks[n][i] if n in marks else 0) for n, v in zip(names, row, strict=True)]
        lines.append(" & ".join(cells) + r" \\")
    alignment = "".join("r" if _numeric(table, name) else "l" for name in names)
    notes = [*([TIES] if marks else []), *table.notes]
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            rf"\caption{{{escaped(table.title)}}}",
            r"\centering\small",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(map(escaped, names)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip\footnotesize\raggedright",
            *(escaped(note) + r"\par" for note in notes),
            r"\end{table}",
            "",
        ]
    )


def escaped(value: object) -> str:
    """Text that LaTeX does not read as markup, on one line."""
    return one_line(value).translate(_ESCAPES)


def _marked(text: str, place: int) -> str:
    return {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(place, text)


def tie_places(table: Table, name: str) -> list[int]:
    """1 for each row of a column that ties with its best, 2 for the next group, 0 for the others."""
    means, halves = (np.array(table.numbers[n], dtype=float) for n in (name, f"{name} ci95"))
    means[[not table.ranked(row) for row in table.order]] = np.nan
    ranks = tied_ranks(means, halves)
    groups = np.unique(ranks[~np.isnan(ranks)])
    places = np.zeros(len(ranks), dtype=int)
    for place, rank in enumerate(groups[:2], 1):
        places[ranks == rank] = place
    return places.tolist()


def _numeric(table: Table, name: str) -> bool:
    texts = [str(v) for v in table.rows[name]]
    return any(re.match(r"[+-]?\d", t) for t in texts) and all(re.match(r"[+-]?\d|–|failed", t) for t in texts)
