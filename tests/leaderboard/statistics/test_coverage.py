"""Whether intervals cover the truth as often as they say, on benchmarks whose truth is known."""

import math

import numpy as np
import pytest

from benchbench.leaderboard.statistics.intervals import hierarchical
from benchbench.leaderboard.statistics.paired import paired_difference

BENCHMARKS = 1000
QUERIES = 75


def benchmark(rng, effect, seeds, episodes, seed_spread, taste):
    """Scores of two methods, queries right of 75: an episode is hard for both, suits one method more than the other
    (`taste`), and a training is luckier than the next (`seed_spread`). Spreads are standard deviations of accuracy."""
    hard = rng.normal(0, 0.08, episodes)
    scores = []
    for mean in (0.5 + effect, 0.5):
        lucky = rng.normal(0, seed_spread, (seeds, 1))
        # The rest is the luck of 75 queries, about half of them right.
        luck = rng.normal(0, 0.5 / math.sqrt(QUERIES), (seeds, episodes))
        accuracy = mean + lucky + hard + rng.normal(0, taste, episodes) + luck
        scores.append(np.round(QUERIES * accuracy) / QUERIES)
    return scores


def cover(effect, apart=False, benchmarks=BENCHMARKS, **kind):
    """Share of benchmarks whose interval covers the true effect."""
    rng = np.random.default_rng(20)
    covered = 0
    for _ in range(benchmarks):
        a, b = benchmark(rng, effect, **kind)
        rows = (range(len(a)), range(100, 100 + len(b))) if apart else (None, None)
        d = paired_difference(a, b, seeds_a=rows[0], seeds_b=rows[1], resamples=500)
        covered += d.low <= effect <= d.high
    return covered / benchmarks


@pytest.mark.parametrize(
    ("kind", "apart"),
    [
        ({"seeds": 1, "episodes": 200, "seed_spread": 0, "taste": 0.03}, False),
        ({"seeds": 3, "episodes": 200, "seed_spread": 0.015, "taste": 0.03}, False),
        ({"seeds": 5, "episodes": 100, "seed_spread": 0.01, "taste": 0.02}, True),
    ],
    ids=["one seed", "three seeds", "five seeds apart"],
)
def test_paired_intervals_cover_a_known_effect(kind, apart):
    covered = cover(0.02, apart, **kind)
    assert 0.93 <= covered <= 0.97


def test_where_seeds_and_episodes_weigh_alike_intervals_err_on_the_wide_side():
    covered = cover(0.02, benchmarks=500, seeds=3, episodes=50, seed_spread=0.008, taste=0.06)
    assert 0.95 <= covered <= 0.985


def test_intervals_over_seeds_cover_the_mean_of_further_seeds():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(BENCHMARKS):
        hard = rng.normal(0, 0.1, 30)
        scores = 0.5 + hard + rng.normal(0, 0.02, (3, 1)) + rng.normal(0, 0.05, (3, 30))
        # On these episodes: their difficulty is no error of an interval over seeds.
        found = hierarchical(scores)
        covered += found.low <= 0.5 + hard.mean() <= found.high
    assert 0.93 <= covered / BENCHMARKS <= 0.97
