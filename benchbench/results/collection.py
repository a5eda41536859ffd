"""The records of a results folder as one object, for notebooks and scripts."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsIndex, overload

import pandas as pd

from benchbench.leaderboard.frames import leaderboard
from benchbench.results.compare import Comparisons, compare_methods, compare_results
from benchbench.results.frame import frame
from benchbench.store.files import read_records
from benchbench.store.records import Record
from benchbench.store.reprs import as_html, brief


class Records(list[Record]):
    """A list of records, as `benchbench.load_records` gives it, that makes tables of itself."""

    def __repr__(self) -> str:
        return brief(f"Records({self._said()})")

    def _repr_html_(self) -> str:
        return as_html("Records", self._said())

    @overload
    def __getitem__(self, place: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> "Records": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "Record | Records":
        found = super().__getitem__(place)
        return Records(found) if isinstance(found, list) else found

    def to_frame(self, *, every_metric: bool = False) -> pd.DataFrame:
        """One row per record, of the metric that tables show: `mean` and `ci95` are fractions, and `source`, `target`
        and `protocol` are different texts for what is different, so that a pivot over them mixes no datasets. With
        `every_metric` a row per record and metric."""
        found = frame(self)
        if every_metric or not len(found):
            return found
        return found[found["shown"]].reset_index(drop=True)

    def leaderboard(self, view: str = "overall", **options: Any) -> pd.DataFrame:
        """`benchbench.leaderboard` of these records."""
        return leaderboard(self, view, **options)

    def compare(self, a: "str | Path | Iterable[Record]", b: str | None = None) -> Comparisons:
        """Paired tests on shared test episodes: of methods `a` and `b` of these records (``"rotation/maml"``), or, with
        one argument, of other records or another results folder with these. Raises BenchbenchError if nothing can be
        compared."""
        if b is not None:
            return compare_methods(self, str(a), b)
        return compare_results(self, load_records(a) if isinstance(a, (str, Path)) else a)

    def _said(self) -> str:
        failed = sum(r.status != "ok" for r in self)
        methods = len({r.method for r in self})
        places = len({(r.target, r.protocol) for r in self})
        counts = (
            f"{len(self):,}: {methods:,} methods, {places} targets and protocols, {len({r.seed for r in self})} seeds"
        )
        return counts + (f", {failed:,} failed" if failed else "")


def load_records(path: Path | str = "runs") -> Records:
    """The records of a results folder; unreadable ones are reported as warnings and left out."""
    records, problems = read_records(path)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return Records(records)
