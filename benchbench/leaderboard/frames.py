"""Leaderboards and views as data frames, for notebooks and scripts."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from benchbench.errors import BenchbenchError, suggest
from benchbench.leaderboard.aggregate import Table, tabulated
from benchbench.leaderboard.cells import by_modality
from benchbench.leaderboard.document import PARTS
from benchbench.leaderboard.views import Filters, filtered
from benchbench.leaderboard.views import view as table_of
from benchbench.store.files import load_records
from benchbench.store.records import Record

Form = Literal["numbers", "text", "full"]
#: Columns of the leaderboard's numbers that say nothing where no row has another value than this.
_USUAL: dict[str, Any] = {"source": "", "variant": "", "origin": "own", "earlier": False, "external": False}


def leaderboard(
    results: Path | str | Iterable[Record] = "runs",
    view: str = "overall",
    *,
    form: Form = "numbers",
    external: bool = False,
    **filters: Any,
) -> pd.DataFrame:
    """The leaderboard of a results folder, or of records, or another view of it, as a data frame in its order.

    `form`: ``numbers`` (scores in percent, of each score its mean and the half-width of its 95% interval, ``ci95``),
    ``text`` (as the command prints it) or ``full`` (every number that leaderboard.csv has). `external` takes third
    parties' rows into ranks and tests. `filters` are those of ``benchbench leaderboard``: ``target="digits"``,
    ``labels="none"``, ``seconds=60``. What the numbers mean stands in ``.attrs["notes"]``. Raises BenchbenchError for
    an unknown view, form or filter, and if no record is left.
    """
    if form not in get_args(Form):
        raise BenchbenchError(f"leaderboard: form {form!r}: expected one of {', '.join(get_args(Form))}")
    known = [f.name for f in fields(Filters)]
    if unknown := [name for name in filters if name not in known]:
        raise BenchbenchError(f"leaderboard: unknown filter {unknown[0]!r}{suggest(unknown[0], known)}")
    records = load_records(results) if isinstance(results, (str, Path)) else list(results)
    if not records:
        raise BenchbenchError("leaderboard: there are no records")
    chosen = Filters(**filters)
    if chosen.modality is None and len(several := by_modality(records)) > 1:
        raise BenchbenchError(f"leaderboard: ranks are of one modality: choose by modality, of {', '.join(several)}")
    if view == "overall":
        table = tabulated(filtered(records, chosen), external=external)
    else:
        table = table_of(view, records, chosen, external=external)
    found = table.rows if form == "text" else _numbers(table) if form == "numbers" else table.numbers
    found = found.copy()
    found.attrs |= {"title": table.title, "notes": list(table.notes)}
    return found


def _numbers(table: Table) -> pd.DataFrame:
    """The numbers a person reads: means and intervals, without what stands behind them and what all rows share."""
    numbers, scored = table.numbers, table.scored
    if not scored:
        return numbers
    behind = [f"{name}{suffix}" for name in scored for part, suffix in PARTS.items() if part not in ("mean", "ci95")]
    usual = [name for name, value in _USUAL.items() if name in numbers and (numbers[name] == value).all()]
    return numbers.drop(columns=[*behind, *usual])
