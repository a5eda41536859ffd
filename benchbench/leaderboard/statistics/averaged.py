"""Differences between methods averaged over several places: targets, protocols or sets of episodes.

A training is scored in all places, so its luck is in all of their differences: places are no independent repetitions.
Each training's average over the places is therefore one observation, and the seeds' part is Student's t over these
averages. Test episodes are drawn apart in each place, so their parts add up. The places are taken as they are: nothing
is said about others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.bootstrap import TAILS, Mixture, student_p
from benchbench.leaderboard.statistics.intervals import Over
from benchbench.leaderboard.statistics.paired import Difference, paired_difference, seed_error
from benchbench.leaderboard.statistics.pairs import Pair, Seeds, score_tables

#: The episodes' part is represented by so many of its quantiles.
QUANTILES = (np.arange(200) + 0.5) / 200


@dataclass(frozen=True)
class Sizes:
    """An averaged difference in standard deviations (Cohen 1988, "Statistical Power Analysis", ch. 2): of trainings'
    averages over the places (None with one training), and of episodes' differences. Paired trainings' deviation is that
    of their differences (Cohen's d_z), and else the root mean square of both methods'. None where nothing varies."""

    seeds: float | None
    episodes: float | None

    @property
    def mirrored(self) -> "Sizes":
        """Those of the second method minus the first."""
        return Sizes(*(None if size is None else -size for size in (self.seeds, self.episodes)))


def averaged_difference(
    parts: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    weights: Sequence[float] | None = None,
    seeds_a: Seeds | None = None,
    seeds_b: Seeds | None = None,
) -> Difference:
    """Mean of the first tables minus mean of the second, averaged over `parts`, weighted if `weights` are given.

    parts: for each place, the score tables (seeds, episodes) of both methods over the same episodes. A row stands for
    the same training in every place. Trainings are paired as in `paired_difference`, which one part is left to. Of
    several, averages over many episodes are near normal, so the episodes' part is a t distribution whose degrees of
    freedom are those of Welch and Satterthwaite, rather than a bootstrap. Raises BenchbenchError if there is no part,
    if a method has other numbers of trainings in other parts, or as `paired_difference` does.
    """
    pairs = _pairs(parts, seeds_a, seeds_b)
    if len(pairs) == 1:
        return paired_difference(*parts[0], seeds_a=seeds_a, seeds_b=seeds_b)
    shares, mean = _mean(pairs, weights)
    episodes = np.array([len(pair.columns) for pair in pairs])
    of_episodes, freedom = _summed(shares**2 * [pair.spread for pair in pairs] / episodes, episodes - 1)
    seeds, pairing, rounding = pairs[0].seeds, pairs[0].pairing, max(pair.rounding for pair in pairs)
    of_seeds, freedom_of_seeds = seed_error(_of_trainings(pairs, shares)) if seeds > 1 else (0.0, 0.0)
    # Methods without training score the same with every seed.
    if of_seeds <= max(1e-9 * of_episodes, rounding):
        half = of_episodes * float(scipy.stats.t.ppf(TAILS[1], freedom)) if freedom else math.inf
        low, high, p = mean - half, mean + half, student_p(mean, of_episodes, freedom)
    else:
        # The unexplained rest is in the seeds' part already; the episodes' part must not add it a second time.
        kept = [max(0.0, pair.spread - pair.rest) for pair in pairs]
        of_episodes, freedom = _summed(shares**2 * kept / episodes, np.maximum(episodes - 1, 1))
        moves = of_episodes * scipy.stats.t.ppf(QUANTILES, freedom) if of_episodes else np.zeros(1)
        mixture = Mixture(mean + moves, of_seeds, freedom_of_seeds)
        (low, high), p = mixture.interval(), mixture.p_of_zero()
    over: Over = "seeds" if seeds > 1 else "episodes"
    return Difference(mean, low, high, p, p, int(episodes.sum()), seeds, pairing, over)


def standardised(
    parts: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    weights: Sequence[float] | None = None,
    seeds_a: Seeds | None = None,
    seeds_b: Seeds | None = None,
) -> Sizes:
    """The difference of `averaged_difference` in standard deviations. Over episodes, the deviation is the root of the
    places' mean variance of a difference averaged over trainings. Raises BenchbenchError as that does."""
    pairs = _pairs(parts, seeds_a, seeds_b)
    shares, mean = _mean(pairs, weights)
    least = max(pair.rounding for pair in pairs)
    of_episodes = math.sqrt(shares @ [pair.spread for pair in pairs])
    of_seeds = 0.0
    if pairs[0].seeds > 1:
        of_seeds = math.sqrt(np.mean([t.var(ddof=1) for t in _of_trainings(pairs, shares)]))
    seeds, episodes = (mean / spread if spread > least else None for spread in (of_seeds, of_episodes))
    return Sizes(seeds, episodes)


def _mean(pairs: Sequence[Pair], weights: Sequence[float] | None) -> tuple[np.ndarray, float]:
    """The places' shares of the average, and the average difference."""
    shares = np.ones(len(pairs)) if weights is None else np.asarray(weights, float)
    shares = shares / shares.sum()
    return shares, float(shares @ [pair.columns.mean() for pair in pairs])


def _pairs(parts: Sequence[tuple[ArrayLike, ArrayLike]], seeds_a: Seeds | None, seeds_b: Seeds | None) -> list[Pair]:
    seeds = None if seeds_a is None or seeds_b is None else {"first": seeds_a, "second": seeds_b}
    tables = [tuple(score_tables({"first": a, "second": b}, seeds).values()) for a, b in parts]
    counts = sorted({(len(a), len(b)) for a, b in tables})
    if len(counts) != 1:
        raise BenchbenchError(
            f"an average over places needs the same trainings in each of them, but they have {counts}"
        )
    return [Pair.of(a, b, seeds_a, seeds_b) for a, b in tables]


def _of_trainings(pairs: Sequence[Pair], shares: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each training's average over the places, (seeds, 1) for each of the tables that all pairs have."""
    tables = zip(*(pair.tables for pair in pairs), strict=True)
    return tuple(sum(w * t.mean(axis=1, keepdims=True) for w, t in zip(shares, of, strict=True)) for of in tables)


def _summed(variances: np.ndarray, freedoms: np.ndarray) -> tuple[float, float]:
    """Square root of a sum of variances, and its degrees of freedom (Satterthwaite 1946); 0 where one of them was
    estimated from a single value."""
    total = float(variances.sum())
    if not freedoms.all():
        return math.sqrt(total), 0.0
    freedom = total**2 / float((variances**2 / freedoms).sum()) if total else float(freedoms.min())
    return math.sqrt(total), freedom
