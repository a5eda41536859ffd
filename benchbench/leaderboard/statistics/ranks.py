"""Ranks as in Meta-Dataset's leaderboard: methods whose intervals do not tell them apart share one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError, suggest


@dataclass(frozen=True)
class TiedRanks:
    """by_column: for each column, the ranks (methods,); average: their mean (methods,) over the columns that count and
    in which a method has a score, nan if there are none; columns: the number of these (methods,)."""

    by_column: dict[str, np.ndarray]
    average: np.ndarray
    columns: np.ndarray


def tied_ranks(means: ArrayLike, half_widths: ArrayLike) -> np.ndarray:
    """Ranks (methods,) of means with the half-widths of their 95% intervals; 1 is the highest mean.

    Take the best remaining method; every remaining one whose mean differs by at most sqrt(half1² + half2²) ties with
    it; they share the mean of the ranks that they occupy; repeat (Triantafillou et al. 2020, Meta-Dataset). Of equal
    means, the one with the narrower interval is taken first, so that the order of methods does not matter. A method
    whose mean is nan has no score here: its rank is nan, and it affects no other rank. Raises BenchbenchError if the
    lengths differ or a mean has no half-width.
    """
    # Rounded: means that differ only by the order of a sum must tie whatever their intervals.
    mean, half = np.round(np.asarray(means, float), 9), np.asarray(half_widths, float)
    if mean.ndim != 1 or mean.shape != half.shape:
        raise BenchbenchError(f"ranks need as many half-widths as means: {half.shape} against {mean.shape}")
    present = ~np.isnan(mean)
    if np.isnan(half[present]).any():
        raise BenchbenchError("ranks need a half-width for every mean")
    # Best first, so that what can tie with a method lies close behind it.
    order = np.lexsort((half, -mean))[: present.sum()]
    mean, half = mean[order], half[order]
    ranks, left = np.full(len(order), np.nan), np.ones(len(order), bool)
    widest, taken = half.max(initial=0.0), 0
    for best in range(len(order)):
        if left[best]:
            # A little further than any can tie: the exact comparison is below.
            end = np.searchsorted(-mean, 1e-6 - mean[best] + np.hypot(half[best], widest), side="right")
            near = slice(best, int(end))
            ties = left[near] & (mean[best] - mean[near] <= np.hypot(half[best], half[near]))
            ranks[near][ties] = taken + (1 + ties.sum()) / 2
            taken += int(ties.sum())
            left[near] &= ~ties
    found = np.full(len(present), np.nan)
    found[order] = ranks
    return found


def average_tied_ranks(table: Mapping[str, tuple[ArrayLike, ArrayLike]], exclude: Collection[str] = ()) -> TiedRanks:
    """Tied ranks within each column and their average; `table`: column -> means and half-widths (methods,), nan where
    missing. Columns in `exclude` are ranked but not averaged (Meta-Dataset leaves out ILSVRC's validation classes).
    Raises BenchbenchError if an excluded column does not exist, or if no column is left."""
    for name in exclude:
        if name not in table:
            raise BenchbenchError(f"cannot exclude column {name!r}{suggest(name, table)}")
    by_column = {name: tied_ranks(*scores) for name, scores in table.items()}
    counted = [ranks for name, ranks in by_column.items() if name not in exclude]
    if not counted:
        raise BenchbenchError("an average rank needs a column that is not excluded")
    stacked = np.stack(counted)
    columns = (~np.isnan(stacked)).sum(axis=0)
    totals = np.nansum(stacked, axis=0)
    average = np.divide(totals, columns, out=np.full(len(totals), np.nan), where=columns > 0)
    return TiedRanks(by_column, average, columns)
