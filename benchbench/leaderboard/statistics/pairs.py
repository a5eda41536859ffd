"""Score tables of two methods, combined so that what they share cancels out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.intervals import Over, residual_variance

Seeds = Sequence[int]


@dataclass(frozen=True)
class Pair:
    """The scores that two methods are compared by.

    columns (episodes,): differences of the methods' means over seeds. tables: one of differences (seeds, episodes) if
    seeds are paired, else one per method. seeds: the fewer of the two. pairing: ``seeds`` if the trainings are paired
    as well, else ``episodes``.
    """

    columns: np.ndarray
    tables: tuple[np.ndarray, ...]
    seeds: int
    pairing: Over

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray, seeds_a: Seeds | None = None, seeds_b: Seeds | None = None) -> "Pair":
        """From tables (seeds, episodes) over the same episodes. Rows are paired by seed if both methods have the same
        seeds, one by one if no seeds are given and there are equally many, and otherwise not at all."""
        # Rounded: what the order of a sum leaves is not a difference.
        columns, seeds = np.round(a.mean(axis=0) - b.mean(axis=0), 12), min(len(a), len(b))
        if seeds_a is None or seeds_b is None:
            same = len(a) == len(b)
        else:
            same = sorted(seeds_a) == sorted(seeds_b)
            a, b = a[np.argsort(seeds_a, kind="stable")], b[np.argsort(seeds_b, kind="stable")]
        if same:
            return cls(columns, (a - b,), seeds, "seeds")
        return cls(columns, (a, b), seeds, "episodes")

    @cached_property
    def rounding(self) -> float:
        """A standard error of this size counts as zero: the values behind it are equal up to rounding."""
        return 1e-12 * max(float(np.abs(t).max()) for t in self.tables)

    @cached_property
    def spread(self) -> float:
        """Variance between columns: between episodes, plus what is left unexplained."""
        return float(self.columns.var(ddof=1)) if len(self.columns) > 1 else 0.0

    @cached_property
    def rest(self) -> float:
        """The part of `spread` that neither episodes nor seeds explain; 0 with one seed, which cannot show it."""
        return sum(residual_variance(t) / len(t) for t in self.tables) if self.seeds > 1 else 0.0


def score_tables(scores: Mapping[str, ArrayLike], seeds: Mapping[str, Seeds] | None = None) -> dict[str, np.ndarray]:
    """The scores as checked float tables (seeds, episodes). Raises BenchbenchError if a table is empty or not
    two-dimensional, holds a non-finite number, lacks the seed of a row or has one twice, or if their numbers of
    episodes differ."""
    tables = {name: np.asarray(table, float) for name, table in scores.items()}
    for name, table in tables.items():
        if table.ndim != 2 or not table.size or not np.isfinite(table).all():
            raise BenchbenchError(f"scores of {name!r} are no (seeds, episodes) table of finite numbers: {table.shape}")
        rows = range(len(table)) if seeds is None else seeds[name]
        if len(rows) != len(table) or len(set(rows)) < len(rows):
            raise BenchbenchError(f"scores of {name!r}: {len(table)} rows need one seed each, but have {list(rows)}")
    lengths = {name: table.shape[1] for name, table in tables.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name!r} has {n:,}" for name, n in lengths.items())
        raise BenchbenchError(f"methods are compared on the same test episodes, but their numbers differ: {counts}")
    return tables
