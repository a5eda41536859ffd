"""What lies between the budgets that were trained, on logarithmic scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

#: Draws of seeds behind the interval of a crossing.
DRAWS = 2000
#: Costs that differ by less than this factor are as good as equal.
ALIKE = 1.1

T = TypeVar("T")


def around(trained: Sequence[tuple[float, T]], cost: float) -> tuple[T, T, float] | None:
    """The neighbours of a cost among what was trained, each given with its own, and how far it lies from the first to
    the second on a logarithmic scale. None beyond the ends: nothing is extrapolated."""
    below = [t for t in trained if t[0] <= cost * ALIKE]
    above = [t for t in trained if t[0] >= cost / ALIKE]
    if not below or not above:
        return None
    low, high = max(below, key=lambda t: t[0]), min(above, key=lambda t: t[0])
    share = math.log(cost / low[0]) / math.log(high[0] / low[0]) if high[0] > low[0] else 0.0
    return low[1], high[1], share


@dataclass(frozen=True)
class Crossing:
    """Where an effect first changes sign, `at` so many samples (None: nowhere), with a 95% interval from resampling
    seeds and the share of the draws in which it does; None for one seed. `above`: it begins above zero."""

    at: float | None
    low: float | None
    high: float | None
    share: float | None
    above: bool


def crossing(samples: Sequence[int], effects: np.ndarray) -> Crossing:
    """Where the mean of the effects (seeds, budgets) at ascending `samples` first changes sign."""
    scale, seeds = np.log(samples), len(effects)
    drawn = np.random.default_rng(0).integers(seeds, size=(DRAWS, seeds))
    draws = [_first(scale, effects[of].mean(0)) for of in drawn] if seeds > 1 else []
    there = [at for at in draws if at is not None]
    low, high = np.percentile(there, [2.5, 97.5]) if there else (None, None)
    share = len(there) / len(draws) if draws else None
    return Crossing(_first(scale, effects.mean(0)), low, high, share, bool(effects.mean(0)[0] > 0))


def _first(scale: np.ndarray, effects: np.ndarray) -> float | None:
    for i in range(len(effects) - 1):
        if (effects[i] > 0) != (effects[i + 1] > 0):
            share = effects[i] / (effects[i] - effects[i + 1])
            return float(np.exp(scale[i] + share * (scale[i + 1] - scale[i])))
    return None
