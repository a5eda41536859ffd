"""What resampling the test episodes says about a mean, and what is added where it says too little."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

#: Resamples averaged at a time: this needs little memory beside the draws themselves.
BLOCK = 250
TAILS = (0.025, 0.975)


def resampled_means(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means (k, resamples) of k rows of scores (k, episodes) over episodes drawn with replacement, the same for all
    rows."""
    counts = _counts(columns.shape[1], resamples, seed)
    blocks = [columns @ counts[i : i + BLOCK].astype(float).T for i in range(0, resamples, BLOCK)]
    return np.concatenate(blocks, axis=1) / columns.shape[1]


@lru_cache(maxsize=2)
def _counts(episodes: int, resamples: int, seed: int) -> np.ndarray:
    """How often each resample (rows) draws each episode (columns). Cached: a table compares hundreds of pairs with one
    of these. Bytes suffice: with more than 255 episodes, none will ever be drawn that often."""
    # RandomState: its stream is frozen, so a table does not change with NumPy's version.
    rng = np.random.RandomState(seed)
    counts = np.empty((resamples, episodes), np.uint8)
    for row in counts:
        row[:] = np.bincount(rng.randint(0, episodes, episodes, dtype=np.int32), minlength=episodes)
    counts.flags.writeable = False
    return counts


def expanded_interval(offsets: np.ndarray, episodes: int) -> tuple[float, float]:
    """95% percentile interval of resampled means about their mean, widened because percentiles are too narrow with few
    episodes: by sqrt(n / (n - 1)) and Student's quantile (Hesterberg 2015, "What teachers should know about the
    bootstrap")."""
    if episodes == 1:
        return -math.inf, math.inf
    wider = (
        math.sqrt(episodes / (episodes - 1))
        * scipy.stats.t.ppf(TAILS[1], episodes - 1)
        / scipy.stats.norm.ppf(TAILS[1])
    )
    low, high = np.quantile(offsets, TAILS) * wider
    return float(low), float(high)


def student_p(mean: float, se: float, freedom: float) -> float:
    """Two-sided p of a mean of zero; 1 if there is nothing to judge by."""
    if freedom < 1 or mean == 0:
        return 1.0
    return float(2 * scipy.special.stdtr(freedom, -abs(mean) / se)) if se else 0.0


@dataclass(frozen=True)
class Mixture:
    """An equal mixture of Student's t distributions with centres (n,), a common scale above zero and common degrees of
    freedom: the limit of a bootstrap that adds draws from t to resampled means, without the noise of those draws."""

    centres: np.ndarray
    scale: float
    freedom: float

    @classmethod
    def around(cls, means: np.ndarray, scale: float, freedom: float) -> "Mixture":
        """The mixture around resampled means, represented by 200 of their quantiles: as good, and ten times as fast."""
        return cls(np.quantile(means, (np.arange(200) + 0.5) / 200), scale, freedom)

    def interval(self) -> tuple[float, float]:
        """Its 2.5% and 97.5% quantiles."""
        low, high = (self.quantile(q) for q in TAILS)
        return low, high

    def p_of_zero(self) -> float:
        """Twice the smaller of its masses on either side of zero."""
        return min(1.0, 2 * min(self._below(0.0), self._above(0.0)))

    def _below(self, x: float) -> float:
        return float(scipy.special.stdtr(self.freedom, self._standard(x)).mean())

    def _above(self, x: float) -> float:
        return float(scipy.special.stdtr(self.freedom, -self._standard(x)).mean())

    def _standard(self, x: float) -> np.ndarray:
        return (x - self.centres) / self.scale

    def quantile(self, q: float) -> float:
        # The quantile of the mixture lies between those of its outermost components.
        step = self.scale * float(scipy.special.stdtrit(self.freedom, q))
        low, high = float(self.centres.min()) + step, float(self.centres.max()) + step
        margin = 1e-6 * (high - low + self.scale)
        return float(scipy.optimize.brentq(lambda x: self._below(x) - q, low - margin, high + margin, xtol=margin))
