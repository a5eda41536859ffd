"""The interval of one method on one target, with episodes and training seeds kept apart.

Test episodes are fixed: every seed of a method, and every method, is scored on the same ones. Hence

    score[s, e] = mean + seed[s] + episode[e] + rest[s, e]

and the spread of the seeds' means contains ``seed`` and a share of ``rest``, but none of ``episode``, which moves all
seeds alike. An interval over seeds is about other trainings scored on these same episodes; one over episodes is about
other episodes given to these same trainings. Neither replaces the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError

Over = Literal["episodes", "seeds"]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval, in the unit of the scores.

    half: half-width of the interval; `over`: what it is over. episode_se: standard error of the mean from the draw of
    test episodes. seed_se: standard error of the mean from differences between trained models, the part that more
    episodes would not remove; None for one seed, which cannot show it, 0 where all seeds agree. seeds, episodes: how
    many there are (for episodes, the fewest of any seed).
    """

    mean: float
    half: float
    over: Over
    episode_se: float
    seed_se: float | None
    seeds: int
    episodes: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half


def hierarchical(scores: Sequence[ArrayLike]) -> Interval:
    """The interval of some trainings of one method: one array (episodes,) of scores per seed.

    One seed: 1.96 * std(ddof 0) / sqrt(n) over its episodes (Meta-Dataset, Triantafillou et al. 2020). Several seeds:
    the mean is that of the seeds' means, and the interval is Student's over these; where they agree exactly, which
    shows no spread to estimate, it is over episodes as for one. Seeds with equally many episodes are
    taken to share them; if the numbers differ, each seed is taken to have its own.

    The components are the moment estimates of a random-effects analysis of variance, floored at zero (Searle, Casella
    and McCulloch 1992, ch. 4). Raises BenchbenchError without scores, or with non-finite ones.
    """
    seeds = [np.asarray(s, float) for s in scores]
    if not seeds or any(s.ndim != 1 or not len(s) or not np.isfinite(s).all() for s in seeds):
        raise BenchbenchError("an interval needs, for each seed, a one-dimensional array of finite scores")
    means = np.array([s.mean() for s in seeds])
    mean = math.fsum(means) / len(means)
    episodes = min(len(s) for s in seeds)
    if len(seeds) == 1:
        se = float(seeds[0].std()) / math.sqrt(episodes)
        return Interval(mean, 1.96 * se, "episodes", se, None, 1, episodes)
    # Up to rounding: what the order of a sum leaves is no spread.
    if np.ptp(means) <= 1e-9:
        se = math.sqrt(sum(float(s.var()) / len(s) for s in seeds) / len(seeds))
        return Interval(mean, 1.96 * se, "episodes", se, 0.0, len(seeds), episodes)
    between = float(means.var(ddof=1))
    half = float(scipy.stats.t.ppf(0.975, len(means) - 1)) * math.sqrt(between / len(means))
    of_episodes, chance = _episode_parts(seeds)
    seed_se = math.sqrt(max(0.0, between - chance) / len(means))
    return Interval(mean, half, "seeds", math.sqrt(of_episodes), seed_se, len(means), episodes)


def _episode_parts(seeds: list[np.ndarray]) -> tuple[float, float]:
    """The variance explained by the draw of episodes: of the overall mean, and of one seed's mean about it."""
    if len({len(s) for s in seeds}) > 1:
        own = [float(s.var()) / len(s) for s in seeds]
        return sum(own) / len(own) ** 2, sum(own) / len(own)
    table = np.stack(seeds)
    return float(table.mean(axis=0).var()) / table.shape[1], residual_variance(table) / table.shape[1]


def residual_variance(table: np.ndarray) -> float:
    """Variance of a (seeds, episodes) table that neither its rows nor its columns explain; 0 if it has only one row or
    column."""
    rows, columns = table.shape
    if min(rows, columns) < 2:
        return 0.0
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((rest**2).sum()) / ((rows - 1) * (columns - 1))
