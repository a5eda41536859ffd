"""How small a difference a comparison could have found, and how much more data would settle it."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from benchbench.leaderboard.statistics.bootstrap import Mixture
from benchbench.leaderboard.statistics.intervals import residual_variance
from benchbench.leaderboard.statistics.pairs import Pair, Seeds, score_tables

#: A true difference is found (its 95% interval excludes zero) with this probability.
POWER = 0.80
#: More seeds or episodes than these are not a practical plan.
MOST_SEEDS = 1_000
MOST_EPISODES = 1_000_000


@dataclass(frozen=True)
class Components:
    """Variances of a paired difference, in the squared unit of the scores: between trainings (None with one training,
    which cannot show it), between episodes, and of one training on one episode beyond both. tables: 1 if seeds are
    paired, else 2, whose trainings both add to the degrees of freedom."""

    seeds: float | None
    episodes: float
    rest: float
    tables: int

    @classmethod
    def of(cls, pair: Pair) -> "Components":
        """Moment estimates, floored at zero (see `intervals.hierarchical`)."""
        if pair.seeds == 1:
            return cls(None, pair.spread, 0.0, len(pair.tables))
        rests = [residual_variance(t) for t in pair.tables]
        between = [t.mean(axis=1).var(ddof=1) - r / t.shape[1] for t, r in zip(pair.tables, rests, strict=True)]
        return cls(
            sum(max(0.0, float(b)) for b in between), max(0.0, pair.spread - pair.rest), sum(rests), len(pair.tables)
        )

    def detectable(self, seeds: int, episodes: int) -> float:
        """The true difference whose 95% interval (`paired_difference`) excludes zero with 80% probability.

        The sum of the 97.5% and 80% quantiles of the distribution behind that interval: Bloom's multiplier (1995,
        "Minimum detectable effects"), which is 5% too low with three seeds. Infinite if there is nothing to test with.
        """
        of_episodes = math.sqrt(self.episodes / episodes)
        if self.seeds is None:
            if episodes < 2:
                return math.inf
            return of_episodes * float(scipy.stats.t.ppf((0.975, POWER), episodes - 1).sum())
        if seeds < 2:
            return math.inf
        of_seeds = math.sqrt((self.seeds + self.rest / episodes) / seeds)
        if not of_seeds:
            return of_episodes * float(scipy.stats.norm.ppf((0.975, POWER)).sum())
        resampled = of_episodes * scipy.stats.norm.ppf((np.arange(200) + 0.5) / 200)
        noise = Mixture(resampled, of_seeds, self.tables * (seeds - 1))
        return noise.quantile(0.975) + noise.quantile(POWER)


@dataclass(frozen=True)
class Power:
    """difference: observed, first minus second. detectable: the smallest true difference that would be found with 80%
    probability from the seeds and episodes at hand. seeds_needed, episodes_needed: how many seeds (with the same
    episodes), or episodes (with the same seeds), would find a difference as large as the observed one; None if no
    number would or, for seeds, if one training cannot show how much they vary."""

    difference: float
    detectable: float
    seeds: int
    episodes: int
    seeds_needed: int | None
    episodes_needed: int | None


def power(a: ArrayLike, b: ArrayLike, *, seeds_a: Seeds | None = None, seeds_b: Seeds | None = None) -> Power:
    """Power of comparing two methods with `paired_difference`, given tables (seeds, episodes) over the same episodes.
    Raises BenchbenchError as that does."""
    seeds = None if seeds_a is None or seeds_b is None else {"first": seeds_a, "second": seeds_b}
    first, second = score_tables({"first": a, "second": b}, seeds).values()
    pair = Pair.of(first, second, seeds_a, seeds_b)
    parts = Components.of(pair)
    n, episodes = pair.seeds, len(pair.columns)
    difference = float(pair.columns.mean())

    def separates(seeds: int, episodes: int) -> bool:
        return difference != 0 and parts.detectable(seeds, episodes) <= abs(difference)

    seeds_needed = None
    if parts.seeds is not None:
        seeds_needed = _fewest(range(2, MOST_SEEDS + 1), lambda count: separates(count, episodes))
    episodes_needed = _fewest(range(1, MOST_EPISODES + 1), lambda count: separates(n, count))
    return Power(difference, parts.detectable(n, episodes), n, episodes, seeds_needed, episodes_needed)


def _fewest(counts: range, enough: Callable[[int], bool]) -> int | None:
    at = bisect_left(counts, True, key=enough)
    return counts[at] if at < len(counts) else None
