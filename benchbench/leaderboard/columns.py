"""Which columns of a table are shown: those that were asked for, or those that fit."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from benchbench.errors import BenchbenchError, suggest
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.safe import one_line

#: What a narrow terminal does without, the first first.
SPARE = (
    "tied rank",
    "parameters",
    "samples",
    "weights",
    "seeds",
    "regime",
    "transfer gap",
    "selection labels",
    "train s",
    "d (episodes)",
    "d (seeds)",
    "contexts",
    "backbone",
    "labels",
)
#: What a narrow terminal folds into one line if it says the same in every row.
FOLDED = ("backbone", "regime", "source", "seeds", "labels", "selection labels", "transductive", "over", "columns")
#: Spaces between two columns.
GAP = 2


def chosen(table: Table, names: Sequence[str]) -> Table:
    """The table with its first column, which names the row, and the columns that `names` mean, in their order.

    A column goes by its name, in any case, or by words of it: ``digits`` means every column of that target, and
    ``5way-1shot`` every one under that protocol. Raises BenchbenchError for a name that means none.
    """
    every = [str(c) for c in table.rows.columns]
    if not names:
        raise BenchbenchError(f"--columns: expected names with commas between them, such as {','.join(every[:2])}")
    kept = every[:1]
    for name in names:
        meant = [c for c in every if c.lower() == name.lower()]
        meant = meant or [c for c in every if re.search(rf"(^| ){re.escape(name.lower())}($| )", c.lower())]
        if not meant:
            raise BenchbenchError(
                f"--columns {name}: no such column{suggest(name, every) or f' of {chr(44).join(every)}'}"
            )
        kept += [c for c in meant if c not in kept]
    return replace(table, rows=table.rows[kept])


def terminal_width() -> int | None:
    """The columns of the terminal that output goes to; None if it goes elsewhere and no COLUMNS says."""
    if not os.environ.get("COLUMNS", "").isdecimal() and not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def fitted(rows: pd.DataFrame, width: int | None) -> tuple[pd.DataFrame, list[str]]:
    """The rows with the columns that `width` has room for, and notes on the others.

    The rank stands beside the method. What is the same in every row is folded into a note, then spare columns go, then
    the last ones; what there is room for in the end comes back.
    """
    names = [str(c) for c in rows.columns]
    if names[:1] == ["method"] and "rank" in names:
        names = ["method", "rank", *(n for n in names if n not in ("method", "rank"))]
    wide = {name: _width(rows[name], name) for name in names}

    def fits(kept: Sequence[str]) -> bool:
        return width is None or sum(wide[n] for n in kept) + GAP * (len(kept) - 1) <= width

    if fits(names):
        return rows[names], []
    notes = []
    same = [n for n in FOLDED if n in names and len(rows) > 1 and rows[n].nunique() == 1]
    if same:
        notes.append(f"In every row: {', '.join(f'{n} {rows[n].iloc[0]}' for n in same)}.")
    kept, gone = [n for n in names if n not in same], []
    for name in [n for n in (*SPARE, *reversed(names[1:])) if n in kept and n != "rank"]:
        if fits(kept):
            break
        if name in kept:
            kept.remove(name)
            gone.append(name)
    for name in reversed(gone):
        if fits([*kept, name]):
            kept.append(name)
    if told := [n for n in names if n in gone and n not in kept]:
        notes.append(f"Left out for want of width: {', '.join(told)}. --columns chooses; a wider terminal shows more.")
    return rows[[n for n in names if n in kept]], notes


def broken(title: str) -> str:
    """A title on two lines where it has a space: a target above its protocol."""
    return title.replace(" ", "\n", 1)


def _width(column: pd.Series, title: str) -> int:
    # tabulate keeps two characters beside a title.
    return max(2 + max(map(len, broken(title).split("\n"))), *(len(one_line(v)) for v in column), 0)
