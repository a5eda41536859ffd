"""Aggregates over few runs and several targets as Agarwal et al. define them (NeurIPS 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice", and their library rliable).

Scores are (seeds, targets) tables on one scale. A target counts only if it is complete in the table, or in both tables.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchbench.errors import BenchbenchError


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% percentile interval from a stratified bootstrap. seeds, targets: how many count (of two
    methods, the fewer seeds); dropped: positions of targets that lack a score."""

    value: float
    low: float
    high: float
    seeds: int
    targets: int
    dropped: tuple[int, ...]

    @property
    def reason(self) -> str | None:
        """Why the interval says nothing: it is over seeds, and one seed does not vary. None if it says something."""
        return "one training seed: the interval is over seeds" if self.seeds == 1 else None


def iqm(scores: ArrayLike) -> float:
    """Interquartile mean of all scores (any shape): the mean without the floor(n / 4) lowest and highest."""
    return float(stats.trim_mean(np.asarray(scores, float), 0.25, axis=None))


def iqm_interval(scores: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """IQM of scores (seeds, targets), with an interval from seeds redrawn separately within each target."""
    (table,), dropped = _complete(scores)
    draws = _stratified(table, resamples, np.random.RandomState(seed)).reshape(resamples, -1)
    return _estimate(iqm(table), stats.trim_mean(draws, 0.25, axis=1), (table,), dropped)


def improvement(a: ArrayLike, b: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Probability that a run of `a` beats one of `b` on a target drawn at random, ties counting one half.

    a, b: (seeds, targets), the same targets; the numbers of seeds may differ. The mean over targets of Mann and
    Whitney's U divided by the number of pairs. Raises BenchbenchError if the numbers of targets differ.
    """
    (first, second), dropped = _complete(a, b)
    rng = np.random.RandomState(seed)
    draws = _wins(_stratified(first, resamples, rng), _stratified(second, resamples, rng))
    return _estimate(float(_wins(first[None], second[None])[0]), draws, (first, second), dropped)


def _wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(resamples, seeds, targets) twice -> (resamples,)."""
    apart = a[:, :, None] - b[:, None]
    return ((apart > 0) + 0.5 * (apart == 0)).mean(axis=(1, 2, 3))


def _stratified(table: np.ndarray, resamples: int, rng: np.random.RandomState) -> np.ndarray:
    """(seeds, targets) -> (resamples, seeds, targets)."""
    rows = rng.randint(0, len(table), (resamples, *table.shape))
    return table[rows, np.arange(table.shape[1])]


def _estimate(value: float, draws: np.ndarray, tables: tuple[np.ndarray, ...], dropped: tuple[int, ...]) -> Estimate:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(value, float(low), float(high), min(map(len, tables)), tables[0].shape[1], dropped)


def _complete(*scores: ArrayLike) -> tuple[list[np.ndarray], tuple[int, ...]]:
    # Rounded: scores that differ only by the order of a sum tie.
    tables = [np.round(np.asarray(s, float), 9) for s in scores]
    if any(t.ndim != 2 or not len(t) for t in tables) or len({t.shape[1] for t in tables}) > 1:
        raise BenchbenchError(
            f"scores must be (seeds, targets) tables over the same targets: {', '.join(str(t.shape) for t in tables)}"
        )
    gaps = np.any([np.isnan(t).any(axis=0) for t in tables], axis=0)
    if gaps.all():
        raise BenchbenchError("no target has a score of every seed")
    return [t[:, ~gaps] for t in tables], tuple(int(i) for i in np.flatnonzero(gaps))
