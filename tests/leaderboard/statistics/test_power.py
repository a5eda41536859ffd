import math

import numpy as np
import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.paired import paired_difference
from benchbench.leaderboard.statistics.pairs import Pair
from benchbench.leaderboard.statistics.power import Components, power


def paired_tables(rng, difference, seeds, episodes, parts):
    noise = rng.normal(0, math.sqrt(parts.seeds or 0), (seeds, 1)) + rng.normal(0, math.sqrt(parts.episodes), episodes)
    d = difference + noise + rng.normal(0, math.sqrt(parts.rest), (seeds, episodes))
    return d, np.zeros_like(d)


@pytest.mark.parametrize(
    ("parts", "seeds", "episodes"),
    [
        (Components(None, 100.0, 0.0, 1), 1, 100),
        (Components(1.0, 10.0, 60.0, 1), 3, 100),
        (Components(1.0, 60.0, 60.0, 1), 6, 60),
    ],
)
def test_a_detectable_difference_is_found_four_times_in_five(parts, seeds, episodes):
    difference = parts.detectable(seeds, episodes)
    rng = np.random.default_rng(7)
    tables = [paired_tables(rng, difference, seeds, episodes, parts) for _ in range(300)]
    found = np.mean([paired_difference(a, b, resamples=500).significant for a, b in tables])
    assert found == pytest.approx(0.80, abs=0.07)


def test_one_seed_needs_the_episodes_of_the_textbook():
    # Student's quantiles with 99 degrees of freedom: 1.9842 + 0.8453 standard errors. With as many episodes as it takes
    # they are near the normal ones, (1.9600 + 0.8416)² = 7.85.
    d = np.array([[12.0, -8.0] * 50])
    found = power(d, np.zeros((1, 100)))
    assert found.difference == 2
    variance = 100 * 100 / 99
    assert found.detectable == pytest.approx((1.9842 + 0.8453) * math.sqrt(variance / 100), rel=1e-3)
    assert found.episodes_needed == pytest.approx(7.85 * variance / 4, abs=3)
    assert found.seeds_needed is None


def test_more_seeds_help_where_trainings_differ_and_more_episodes_do_not():
    # Trainings differ by -1, 2 and 5, all episodes alike: mean 2, variance 9.
    d = np.repeat([[-1.0], [2.0], [5.0]], 20, axis=1)
    found = power(d, np.zeros_like(d))
    # Three seeds: (4.3027 + 1.0607) * 3 / sqrt(3), Student's quantiles for 2 degrees of freedom.
    assert found.detectable == pytest.approx((4.3027 + 1.0607) * math.sqrt(3), rel=1e-3)
    assert found.episodes_needed is None
    # (t.975 + t.80) * 3 / sqrt(n) first falls to 2 at n = 20: 2.0930 + 0.8610 = 2.954 against 2.981; at n = 19 it is
    # 2.1009 + 0.8620 = 2.963 against 2.906.
    assert found.seeds_needed == 20


def test_what_is_separated_already_needs_no_more():
    rng = np.random.default_rng(0)
    parts = Components(1.0, 10.0, 60.0, 1)
    found = power(*paired_tables(rng, 12, 5, 200, parts))
    assert found.detectable < abs(found.difference)
    assert found.seeds_needed <= 5
    assert found.episodes_needed <= 200


def test_equal_methods_are_separated_by_nothing():
    found = power(np.ones((3, 4)), np.ones((3, 4)))
    assert (found.difference, found.seeds_needed, found.episodes_needed) == (0, None, None)


def test_components_are_those_that_went_in():
    rng = np.random.default_rng(1)
    truth = Components(4.0, 25.0, 64.0, 1)
    pairs = [Pair.of(*paired_tables(rng, 0, 10, 100, truth)) for _ in range(200)]
    found = [Components.of(pair) for pair in pairs]
    assert np.mean([f.seeds for f in found]) == pytest.approx(4, rel=0.1)
    assert np.mean([f.episodes for f in found]) == pytest.approx(25, rel=0.1)
    assert np.mean([f.rest for f in found]) == pytest.approx(64, rel=0.05)


def test_trainings_apart_bring_both_variances():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, (4, 1)) + np.zeros(5), rng.normal(0, 3, (4, 1)) + np.zeros(5)
    found = Components.of(Pair.of(a, b, [0, 1, 2, 3], [4, 5, 6, 7]))
    assert found.seeds == pytest.approx(a[:, 0].var(ddof=1) + b[:, 0].var(ddof=1))
    assert found.tables == 2


def test_nothing_is_detectable_without_a_second_value():
    assert Components(None, 1.0, 0.0, 1).detectable(1, 1) == math.inf
    assert Components(1.0, 1.0, 1.0, 1).detectable(1, 600) == math.inf


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(BenchbenchError, match="same test episodes"):
        power([[1, 2]], [[1, 2, 3]])
