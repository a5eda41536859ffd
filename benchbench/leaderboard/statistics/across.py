"""Methods compared across targets: Friedman and Nemenyi, Wilcoxon and Holm, as in Demšar (JMLR 2006).

The unit is a target. A target counts only if every compared method has a score on it; the others are named in the
result. Higher scores are better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.paired import LEVEL, holm

#: All 2^N patterns of signs are equally likely: the exact two-sided p of five differences is at least 2 / 2^5 = .0625.
FEWEST_TARGETS = 6


@dataclass(frozen=True)
class Across:
    """methods: in the order given; targets: those that count; dropped: those on which some method has no score.

    mean_ranks (methods,): 1 is best, ties shared. statistic, p: Friedman's chi-squared and the p of Iman and
    Davenport's F (nan with two methods or fewer, or with one target). critical_difference: Nemenyi's, of mean ranks.
    """

    methods: tuple[str, ...]
    targets: tuple[str, ...]
    dropped: tuple[str, ...]
    mean_ranks: np.ndarray
    statistic: float
    p: float
    critical_difference: float

    @property
    def reason(self) -> str | None:
        """Why no claim can be made; None if one can."""
        if too_few := _too_few(len(self.targets)):
            return too_few
        if len(self.methods) > 2 and not self.p < LEVEL:
            return f"Friedman's test finds no difference between the methods (p = {self.p:.3f})"
        return None

    @property
    def claim(self) -> bool:
        """Whether mean ranks further apart than the critical difference may be called different."""
        return self.reason is None

    @property
    def cliques(self) -> tuple[tuple[str, ...], ...]:
        """Groups of methods, best first, that the critical difference does not tell apart: the bars of the diagram.
        Without a claim, one group holds all methods."""
        reach = self.critical_difference if self.claim else math.inf
        return tuple(tuple(self.methods[i] for i in group) for group in cliques(self.mean_ranks, reach))


def friedman(scores: ArrayLike, methods: Sequence[str], targets: Sequence[str]) -> Across:
    """Mean ranks, Friedman's test and Nemenyi's critical difference of scores (methods, targets), nan where missing.

    p is that of Iman and Davenport's F, since chi-squared is too conservative (Demšar 2006, §3.2.2). Raises
    BenchbenchError if names and scores do not match, or for fewer than two methods.
    """
    table, used, dropped = _complete(scores, methods, targets)
    k, n = table.shape
    if not n:
        return Across(tuple(methods), used, dropped, np.full(k, np.nan), math.nan, math.nan, math.inf)
    ranks = scipy.stats.rankdata(-table, axis=0)
    statistic, p = _friedman_test(table) if k > 2 and n > 1 else (math.nan, math.nan)
    return Across(tuple(methods), used, dropped, ranks.mean(axis=1), statistic, p, critical_difference(k, n))


def _friedman_test(table: np.ndarray) -> tuple[float, float]:
    k, n = table.shape
    if (table == table[0]).all():
        return 0.0, 1.0
    found = scipy.stats.friedmanchisquare(*table)
    statistic = float(found.statistic)
    left = n * (k - 1) - statistic
    # If every target ranks the methods alike, F is unbounded; chi-squared errs on the safe side.
    if left <= 1e-9:
        return statistic, float(found.pvalue)
    return statistic, float(scipy.stats.f.sf((n - 1) * statistic / left, k - 1, (k - 1) * (n - 1)))


def critical_difference(methods: int, targets: int, *, alpha: float = LEVEL) -> float:
    """Nemenyi's: mean ranks over `targets` targets that are further apart differ, at family-wise level `alpha`.

    q * sqrt(k (k + 1) / 6 N), with q the quantile of the studentised range of k means with infinitely many degrees of
    freedom, divided by sqrt(2) (Demšar 2006, §3.2.2, table 5). Raises BenchbenchError for fewer than two methods or no
    target.
    """
    if methods < 2 or targets < 1:
        raise BenchbenchError(f"a critical difference needs two methods and a target: got {methods} and {targets}")
    return _studentised(methods, alpha) / math.sqrt(2) * math.sqrt(methods * (methods + 1) / (6 * targets))


@lru_cache
def _studentised(means: int, alpha: float) -> float:
    return float(scipy.stats.studentized_range.ppf(1 - alpha, means, np.inf))


def nemenyi(across: Across) -> np.ndarray:
    """Nemenyi's p (methods, methods) for each pair's difference in mean rank; 1 on the diagonal, and everywhere if
    there is no target."""
    k, n = len(across.methods), len(across.targets)
    if not n:
        return np.ones((k, k))
    apart = np.abs(across.mean_ranks[:, None] - across.mean_ranks[None])
    p = scipy.stats.studentized_range.sf(apart / math.sqrt(k * (k + 1) / (6 * n)) * math.sqrt(2), k, np.inf)
    return np.where(np.eye(k, dtype=bool), 1.0, np.minimum(p, 1.0))


def cliques(mean_ranks: ArrayLike, critical: float) -> list[tuple[int, ...]]:
    """Maximal groups of two or more methods (indices, best rank first) whose mean ranks lie within `critical`."""
    ranks = np.asarray(mean_ranks, float)
    order = [int(i) for i in np.argsort(ranks, kind="stable")]
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start, first in enumerate(order):
        # A difference that equals the critical one, up to rounding, does not tell methods apart.
        end = start + sum(ranks[i] - ranks[first] <= critical + 1e-9 for i in order[start:])
        if end - start > 1 and end > reached:
            groups.append(tuple(order[start:end]))
        reached = max(reached, end)
    return groups


@dataclass(frozen=True)
class Wilcoxon:
    """Signed-rank tests of every pair of methods over the `targets` that count; p: pair -> Holm-adjusted p. reason: why
    no claim can be made whatever the scores; None if one could."""

    targets: tuple[str, ...]
    dropped: tuple[str, ...]
    p: dict[tuple[str, str], float]
    reason: str | None


def wilcoxon_holm(scores: ArrayLike, methods: Sequence[str], targets: Sequence[str]) -> Wilcoxon:
    """Two-sided Wilcoxon tests of scores (methods, targets), nan where missing, with Holm's correction over all pairs.

    Exact up to 50 targets without ties (SciPy's choice); targets on which two methods score the same are left out of
    that pair. Raises BenchbenchError as `friedman` does.
    """
    table, used, dropped = _complete(scores, methods, targets)
    pairs = list(combinations(range(len(methods)), 2))
    adjusted = holm([_signed_rank(table[a] - table[b]) for a, b in pairs])
    p = {(methods[a], methods[b]): float(value) for (a, b), value in zip(pairs, adjusted, strict=True)}
    return Wilcoxon(used, dropped, p, _too_few(len(used)) or _too_many(len(pairs), len(used)))


def _signed_rank(differences: np.ndarray) -> float:
    return float(scipy.stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def _too_few(targets: int) -> str | None:
    if targets >= FEWEST_TARGETS:
        return None
    return (
        f"{targets} target{'' if targets == 1 else 's'} on which every method has a score: with fewer than "
        f"{FEWEST_TARGETS}, tests across targets cannot reach p < .05"
    )


def _too_many(pairs: int, targets: int) -> str | None:
    if pairs * 2 / 2**targets < LEVEL:
        return None
    return f"{pairs} pairs over {targets} targets: after Holm's correction no pair can reach p < .05"


def _complete(
    scores: ArrayLike, methods: Sequence[str], targets: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """The columns without a gap, and the names of the targets that count and of those that do not."""
    table = np.asarray(scores, float)
    if table.shape != (len(methods), len(targets)):
        raise BenchbenchError(
            f"scores must be (methods, targets) = ({len(methods)}, {len(targets)}), but are {table.shape}"
        )
    if len(methods) < 2:
        raise BenchbenchError(f"a comparison across targets needs two methods, got {len(methods)}")
    # Rounded: scores that differ only by the order of a sum tie.
    table = np.round(table, 9)
    whole = ~np.isnan(table).any(axis=0)
    names = np.array(targets, dtype=object)
    return table[:, whole], tuple(names[whole]), tuple(names[~whole])
