"""Differences between methods scored on the same test episodes.

Pairing removes what the episodes do to both methods alike. What remains varies with the trainings (seeds) and with the
episodes, and a two-level bootstrap redraws both. Episodes are many and are resampled with replacement. Seeds are few:
three of them have only ten different resamples, and percentile intervals over these are far too narrow, so the seeds'
part is drawn from Student's t with seeds - 1 degrees of freedom instead. That draw is computed exactly: the bootstrap
distribution is a mixture of t distributions, one for each resample of the episodes.

In simulations with three or more seeds, these intervals cover the truth in 94 to 97.5% of benchmarks. They err on the
wide side if seeds and episodes matter equally (the Behrens-Fisher problem), and more so with two seeds: up to 99%.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from benchbench.leaderboard.statistics.bootstrap import Mixture, expanded_interval, resampled_means, student_p
from benchbench.leaderboard.statistics.intervals import Over
from benchbench.leaderboard.statistics.pairs import Pair, Seeds, score_tables

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """First method minus second, in the unit of the scores.

    low, high: 95% interval. p: two-sided, for no difference. p_holm: p adjusted for the comparisons made with it; p
    itself if there were none. episodes: number of shared test episodes. seeds: number of trainings of a method (the
    fewer of the two). pairing: ``seeds`` if the trainings are paired as well, else ``episodes``. over: ``seeds`` if
    interval and p are about other trainings and episodes, ``episodes`` if a method has only one seed and they are about
    these trainings alone.
    """

    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    episodes: int
    seeds: int
    pairing: Over
    over: Over

    @property
    def significant(self) -> bool:
        """Whether the two differ at the 5% level, after Holm's correction, over what `over` names."""
        return self.p_holm < LEVEL

    @property
    def claim(self) -> bool:
        """Whether one *method* may be called better: significant, and over more than one training seed."""
        return self.significant and self.over == "seeds"

    @property
    def reason(self) -> str | None:
        """Why no claim can be made whatever the scores; None if one could."""
        if self.over == "seeds":
            return None
        return "one training seed: the difference is between these trainings, not between the methods"


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seeds_a: Seeds | None = None,
    seeds_b: Seeds | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Mean of `a` minus mean of `b`: score tables (seeds, episodes) over the same episodes in the same order.

    Rows are paired if both methods have the same training seeds (`seeds_a`, `seeds_b`: the seed of each row; without
    these, tables with equally many rows are paired row by row). Otherwise the trainings are drawn separately and the
    episodes jointly. With one seed on either side, only episodes are drawn, and p is Student's paired t over episodes,
    since counting resamples cannot reach the small p that Holm's correction needs. Raises BenchbenchError if the tables
    differ in their number of episodes or hold non-finite scores.
    """
    seeds = None if seeds_a is None or seeds_b is None else {"first": seeds_a, "second": seeds_b}
    return compare_all({"first": a, "second": b}, seeds=seeds, resamples=resamples, seed=seed)["first", "second"]


def compare_all(
    scores: Mapping[str, ArrayLike],
    *,
    seeds: Mapping[str, Seeds] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[tuple[str, str], Difference]:
    """Every pair of methods, in the order of `scores`, with Holm's correction over all pairs.

    `scores`: method -> table (seeds, episodes) over the same episodes; `seeds`: method -> the training seed of each
    row. All pairs see the same resampled episodes. See `paired_difference`.
    """
    tables = score_tables(scores, seeds)
    if not tables:
        return {}
    columns = np.stack([t.mean(axis=0) for t in tables.values()])
    # How far each resample of the episodes moves each method's mean.
    moves = resampled_means(columns, resamples, seed) - columns.mean(axis=1, keepdims=True)
    offsets = dict(zip(tables, moves, strict=True))
    found = {}
    for a, b in combinations(tables, 2):
        rows = (None, None) if seeds is None else (seeds[a], seeds[b])
        found[a, b] = _difference(Pair.of(tables[a], tables[b], *rows), offsets[a] - offsets[b])
    adjusted = holm([d.p for d in found.values()])
    return {pair: replace(d, p_holm=float(p)) for (pair, d), p in zip(found.items(), adjusted, strict=True)}


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's step-down adjustment (1979): p values (m,) that control the family-wise error at the level they are read
    at. They are multiplied by m, m - 1, ... from the smallest on, never decreasing, at most 1. A nan is not a test and
    stays."""
    p = np.asarray(p_values, float)
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def _difference(pair: Pair, offsets: np.ndarray) -> Difference:
    """`offsets` (resamples,): how far the resampled episodes move the difference."""
    mean, episodes = float(pair.columns.mean()), len(pair.columns)
    of_episodes = math.sqrt(pair.spread / episodes)
    of_seeds, freedom = seed_error(pair.tables) if pair.seeds > 1 else (0.0, 0.0)
    # Methods without training score the same with every seed.
    if of_seeds <= max(1e-9 * of_episodes, pair.rounding):
        low, high = (mean + offset for offset in expanded_interval(offsets, episodes))
        p = student_p(mean, of_episodes, episodes - 1)
    else:
        # The unexplained rest is in the seeds' part already; the episodes' part must not add it a second time.
        kept = math.sqrt(max(0.0, 1 - pair.rest / pair.spread)) if pair.spread else 0.0
        mixture = Mixture.around(mean + kept * offsets, of_seeds, freedom)
        (low, high), p = mixture.interval(), mixture.p_of_zero()
    over: Over = "seeds" if pair.seeds > 1 else "episodes"
    return Difference(mean, low, high, p, p, episodes, pair.seeds, pair.pairing, over)


def seed_error(tables: tuple[np.ndarray, ...]) -> tuple[float, float]:
    """Standard error of the difference from the spread of seeds' means, and its degrees of freedom (Welch 1947)."""
    shares = np.array([t.mean(axis=1).var(ddof=1) / len(t) for t in tables])
    freedoms = np.array([len(t) - 1 for t in tables])
    total = float(shares.sum())
    freedom = total**2 / float((shares**2 / freedoms).sum()) if total else float(freedoms.min())
    return math.sqrt(total), freedom
