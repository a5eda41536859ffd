"""Whether intervals cover the truth as often as they say, on benchmarks whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from benchbench.leaderboard.statistics.averaged import averaged_difference
from benchbench.leaderboard.statistics.intervals import hierarchical
from benchbench.leaderboard.statistics.paired import paired_difference
from benchbench.leaderboard.statistics.robust import average_interval, iqm_interval

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


def luck(rng, shape, correlation):
    """Scores of (benchmarks, seeds, targets): each training's luck on a target, of which a part is shared by all."""
    benchmarks, seeds, targets = shape
    shared = math.sqrt(correlation) * rng.normal(size=(benchmarks, seeds, 1))
    return shared + math.sqrt(1 - correlation) * rng.normal(size=(benchmarks, seeds, targets))


SHARED = pytest.mark.parametrize("correlation", [0, 0.3, 1])
SEEDS = pytest.mark.parametrize("seeds", [3, pytest.param(5, marks=pytest.mark.full)])


@SHARED
@SEEDS
@pytest.mark.parametrize("apart", [0, 10], ids=["targets alike", "targets apart"])
@pytest.mark.parametrize("interval", [average_interval, iqm_interval])
def test_aggregates_over_targets_cover_the_truth_however_much_luck_targets_share(interval, seeds, correlation, apart):
    benchmarks, targets = 3000, 6
    levels = apart * np.arange(targets)
    scores = levels + luck(np.random.default_rng(11), (benchmarks, seeds, targets), correlation)
    # Symmetric, so the interquartile mean's truth is the mean as well.
    truth = levels.mean()
    found = [interval(table) for table in scores]
    covered = np.mean([abs(f.value - truth) <= f.half for f in found])
    assert 0.92 <= covered <= 0.97


@SHARED
@SEEDS
@pytest.mark.parametrize("paired", [True, False], ids=["seeds paired", "seeds apart"])
def test_effects_over_targets_cover_the_truth_however_much_luck_targets_share(seeds, correlation, paired):
    rng = np.random.default_rng(12)
    benchmarks, targets, episodes, effect = 1500, 4, 40, 2.0
    a, b = (luck(rng, (benchmarks, seeds, targets), correlation) for _ in range(2))
    rows = (None, None) if paired else (range(seeds), range(100, 100 + seeds))
    covered = 0
    for first, second in zip(a, b, strict=True):
        parts = []
        for t in range(targets):
            taste, noise = rng.normal(0, 1, episodes), rng.normal(0, 1, (2, seeds, episodes))
            parts.append((effect + first[:, [t]] + taste + noise[0], second[:, [t]] + noise[1]))
        found = averaged_difference(parts, seeds_a=rows[0], seeds_b=rows[1])
        covered += found.low <= effect <= found.high
    assert 0.92 <= covered / benchmarks <= 0.97


@SHARED
def test_effects_of_one_training_cover_what_it_is_worth_on_further_episodes(correlation):
    rng = np.random.default_rng(13)
    benchmarks, targets, episodes = 1500, 4, 20
    covered = 0
    for trained in luck(rng, (benchmarks, 1, targets), correlation):
        noise = rng.normal(0, 3, (targets, 1, episodes))
        parts = [(trained[:, [t]] + noise[t], np.zeros((1, episodes))) for t in range(targets)]
        found = averaged_difference(parts)
        assert found.over == "episodes"
        covered += found.low <= trained.mean() <= found.high
    assert 0.92 <= covered / benchmarks <= 0.97


@SHARED
@SEEDS
def test_tables_of_one_target_cover_it_whatever_other_targets_share(seeds, correlation):
    scores = luck(np.random.default_rng(14), (3000, seeds, 3), correlation)
    # As `hierarchical` reads them: one target's seeds, each of a single episode.
    found = [hierarchical(table[:, :1]) for table in scores]
    covered = np.mean([f.low <= 0 <= f.high for f in found])
    assert 0.92 <= covered <= 0.97
    assert all(f.over == "seeds" for f in found)


def test_redrawing_seeds_within_each_target_would_not_cover_luck_that_targets_share():
    # What the interval of the interquartile mean was before: it must fail here, or the tests above could not.
    rng = np.random.default_rng(15)
    scores, covered = luck(rng, (300, 3, 6), 1), 0
    for table in scores:
        drawn = table[rng.integers(0, 3, (500, 3, 6)), np.arange(6)].reshape(500, -1)
        low, high = np.quantile(stats.trim_mean(drawn, 0.25, axis=1), (0.025, 0.975))
        covered += low <= 0 <= high
    assert covered / len(scores) < 0.75
