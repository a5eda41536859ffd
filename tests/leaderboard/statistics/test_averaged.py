import math

import numpy as np
import pytest
from scipy import stats

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.averaged import Sizes, averaged_difference, standardised
from benchbench.leaderboard.statistics.paired import paired_difference


def flat(*seeds, episodes=2):
    """A table whose episodes are all alike: seeds alone vary."""
    return np.repeat(np.array(seeds, float)[:, None], episodes, axis=1)


ZERO = flat(0, 0, 0)


def test_the_interval_is_student_s_over_each_training_s_average():
    # Averages over both places 2, 4 and 6: standard error 2 / sqrt(3), Student with two degrees of freedom.
    found = averaged_difference([(flat(1, 4, 1), ZERO), (flat(3, 4, 11), ZERO)])
    student = stats.ttest_1samp([2, 4, 6], 0)
    assert (found.mean, found.seeds, found.pairing, found.over) == (4, 3, "seeds", "seeds")
    assert found.p == pytest.approx(student.pvalue)
    np.testing.assert_allclose([found.low, found.high], student.confidence_interval(), rtol=1e-5)


def test_places_that_repeat_each_other_tell_nothing_more_of_seeds():
    a = flat(1, 2, 6)
    once, often = paired_difference(a, ZERO), averaged_difference([(a, ZERO)] * 9)
    assert (often.mean, often.low, often.high) == pytest.approx((once.mean, once.low, once.high))
    assert often.p == pytest.approx(once.p)


def test_luck_that_cancels_out_over_places_is_none():
    # Each training gains in one place what it loses in the other: all averages are 2.
    found = averaged_difference([(flat(1, 2, 3), ZERO), (flat(3, 2, 1), ZERO)])
    assert (found.mean, found.low, found.high, found.p) == pytest.approx((2, 2, 2, 0))


def test_one_training_is_compared_over_the_episodes_of_all_places():
    # Variances 2 and 8 over two episodes each: standard error sqrt(1 + 4) / 2, and (1 + 4)² / (1 + 16) degrees of
    # freedom (Satterthwaite).
    found = averaged_difference([([[1, 3]], [[0, 0]]), ([[4, 8]], [[0, 0]])])
    assert (found.mean, found.seeds, found.over, found.episodes) == (4, 1, "episodes", 4)
    half = math.sqrt(5) / 2 * stats.t.ppf(0.975, 25 / 17)
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(4 / (math.sqrt(5) / 2), 25 / 17))


def test_seeds_and_episodes_add_up():
    # Trainings differ by a standard deviation of 2 in both places, episodes by one of 4; 4 and 5 of each.
    rng = np.random.default_rng(0)
    seeds, parts = np.array([-3.0, -1, 1, 3]), []
    for _ in range(2):
        d = 10 + seeds[:, None] + rng.permutation([-4.0, -2, 0, 2, 4])
        parts.append((d, np.zeros_like(d)))
    found = averaged_difference(parts)
    # By brute force: t of seeds (variance 20 / 3, 3 degrees of freedom) plus t of episodes (variance 10 each).
    draws = np.random.default_rng(1)
    noise = draws.standard_t(3, 10**6) * math.sqrt(20 / 3 / 4) + draws.standard_t(8, 10**6) * math.sqrt(10 / 5 / 2)
    np.testing.assert_allclose([found.low, found.high], 10 + np.quantile(noise, (0.025, 0.975)), atol=0.06)
    assert found.p == pytest.approx(2 * np.mean(noise < -10), abs=5e-4)


def test_seeds_apart_are_welch_s_over_averages():
    a, b = (flat(1, 2, 3), flat(1, 2, 3)), (flat(4, 8), flat(6, 10))
    found = averaged_difference(list(zip(a, b, strict=True)), seeds_a=[0, 1, 2], seeds_b=[3, 4])
    expected = stats.ttest_ind([1, 2, 3], [5, 9], equal_var=False)
    assert (found.mean, found.pairing, found.p) == (-5, "episodes", pytest.approx(expected.pvalue))
    np.testing.assert_allclose([found.low, found.high], expected.confidence_interval(), rtol=1e-4)


def test_sizes_are_cohen_s():
    # Paired averages 2, 4 and 6: standard deviation 2. Episodes do not vary.
    parts = [(flat(1, 4, 1), ZERO), (flat(3, 4, 11), ZERO)]
    assert standardised(parts) == Sizes(pytest.approx(4 / 2), None)
    # Apart: variances 1 about 2 and 8 about 7, so a root mean square of sqrt(4.5).
    apart = standardised([(flat(1, 2, 3), flat(5, 9))], seeds_a=[0, 1, 2], seeds_b=[3, 4])
    assert apart == Sizes(pytest.approx(-5 / math.sqrt(4.5)), None)
    # One training: differences 1 and 3, then 4 and 8, with variances 2 and 8, that is 5 on average.
    one = standardised([([[1, 3]], [[0, 0]]), ([[4, 8]], [[0, 0]])])
    assert one == Sizes(None, pytest.approx(4 / math.sqrt(5)))
    assert one.mirrored == Sizes(None, pytest.approx(-4 / math.sqrt(5)))


def test_weights_are_of_places():
    found = averaged_difference([(flat(1, 1), flat(0, 0)), (flat(5, 5), flat(0, 0))], weights=[3, 1])
    assert found.mean == 2


def test_a_single_episode_of_one_training_says_nothing():
    found = averaged_difference([([[1.0]], [[0.0]]), ([[4.0, 8.0]], [[0.0, 1.0]])])
    assert (found.low, found.high, found.p) == (-math.inf, math.inf, 1)


def test_trainings_must_be_the_same_in_all_places():
    with pytest.raises(BenchbenchError, match="the same trainings in each of them"):
        averaged_difference([(ZERO, ZERO), (ZERO[:2], ZERO)])
    with pytest.raises(BenchbenchError, match="the same trainings in each of them"):
        averaged_difference([])
