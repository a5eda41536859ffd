"""Numbers of a view as text."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from benchbench.leaderboard.aggregate import Table, numeric
from benchbench.leaderboard.grid import MISSING

Numbers = dict[str, Any]


def tabular(
    title: str, rows: list[Numbers], columns: Mapping[str, Callable[[Numbers], str]], notes: list[str]
) -> Table:
    """A table from rows of numbers: `columns` gives the text shown for a row; the numbers are kept, rounded."""
    text = [{name: show(row) for name, show in columns.items()} for row in rows]
    numbers = [{name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()} for row in rows]
    return Table(pd.DataFrame(text, columns=list(columns)), numeric(numbers), notes=notes, title=title)


def number(value: float | None, digits: int = 2) -> str:
    """With thousands separated; – if there is none."""
    return MISSING if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def plus_minus(mean: float | None, half: float | None) -> str:
    """``12.34 ± 0.56``"""
    return MISSING if mean is None or half is None else f"{mean:.2f} ± {half:.2f}"


def bounds(row: Numbers, name: str) -> str:
    """``+1.20 [+0.30, +2.10]`` from `name`, `name`_low and `name`_high."""
    if row.get(name) is None:
        return MISSING
    return f"{row[name]:+.2f} [{row[f'{name}_low']:+.2f}, {row[f'{name}_high']:+.2f}]"


def compact(value: float | None) -> str:
    """Three digits and an SI prefix: ``1.92T``, ``112k``."""
    if value is None:
        return MISSING
    for size, sign in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"
