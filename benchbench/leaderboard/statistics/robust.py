"""Aggregates over few runs and several targets, with intervals over seeds that count each training once.

The interquartile mean and the probability of improvement are those of Agarwal et al. (NeurIPS 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice", and their library rliable), whose stratified bootstrap redraws the
runs of each task separately. That holds where every task has trainings of its own. Here one training is scored on
several targets, so its luck is in all of its scores, and that bootstrap covers far too rarely; with three seeds no
percentile bootstrap reaches 95% (Hesterberg 2015, "What teachers should know about the bootstrap"). Instead, each
seed's aggregate over the targets is one observation, and the interval is Student's over these: an analysis by
cluster-level summaries (Hayes and Moulton 2009, "Cluster Randomised Trials").

Scores are (seeds, targets) tables on one scale, a seed's row being one training. A target counts only if it is complete
in the table, or in both tables.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from benchbench.errors import BenchbenchError


@dataclass(frozen=True)
class Estimate:
    """A value with the half-width of its 95% interval over seeds; None with one seed, and where all seeds agree
    exactly: neither shows how much seeds vary. seeds, targets: how many count; dropped: positions of targets that lack
    a score."""

    value: float
    half: float | None
    seeds: int
    targets: int
    dropped: tuple[int, ...]


def average_interval(scores: ArrayLike) -> Estimate:
    """Mean of scores (seeds, targets), with Student's interval over the seeds' means."""
    (table,), dropped = _complete(scores)
    return _estimate(float(table.mean()), table.mean(axis=1), table, dropped)


def iqm(scores: ArrayLike) -> float:
    """Interquartile mean of all scores (any shape): the mean without the floor(n / 4) lowest and highest."""
    return float(scipy.stats.trim_mean(np.asarray(scores, float), 0.25, axis=None))


def iqm_interval(scores: ArrayLike) -> Estimate:
    """IQM of all scores (seeds, targets), with a half-width that is Student's over the seeds' own IQMs.

    The value is rliable's, of all runs together. Below four targets a seed's IQM is its mean, and intervals are a
    little narrow (in simulations, 93% with up to five seeds).
    """
    (table,), dropped = _complete(scores)
    return _estimate(iqm(table), scipy.stats.trim_mean(table, 0.25, axis=1), table, dropped)


def improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Probability that a run of `a` beats one of `b` on a target drawn at random, ties counting one half.

    a, b: (seeds, targets), the same targets; the numbers of seeds may differ. The mean over targets of Mann and
    Whitney's U divided by the number of pairs. It has no interval: from a few seeds whose luck is shared by all
    targets, neither a bootstrap nor a jackknife covers it (in simulations with three seeds, 39 to 97%). Raises
    BenchbenchError if the numbers of targets differ.
    """
    (first, second), _ = _complete(a, b)
    apart = first[:, None] - second[None]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())


def _estimate(value: float, of_seeds: np.ndarray, table: np.ndarray, dropped: tuple[int, ...]) -> Estimate:
    n, targets = table.shape
    # Rounded: what the order of a sum leaves is no spread.
    spread = float(np.round(of_seeds, 9).std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    half = float(scipy.stats.t.ppf(0.975, n - 1)) * spread if spread > 1e-9 else None
    return Estimate(value, half, n, targets, dropped)


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
