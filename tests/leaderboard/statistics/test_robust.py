import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.robust import improvement, iqm, iqm_interval


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    assert iqm([[8, 1, 3, 6], [100, 5, -50, 4]]) == (3 + 4 + 5 + 6) / 4
    # Five of them: floor(5 / 4) = 1 at either end.
    assert iqm([1, 2, 4, 6, 90]) == 4


def test_the_interval_redraws_seeds_within_each_target():
    table = np.array([[1.0, 10.0], [2.0, 30.0], [4.0, 70.0]])
    found = iqm_interval(table, resamples=20_000)
    # All 27 * 27 resamples, each as likely; six scores less one at either end.
    every = [
        np.mean(sorted([*table[list(first), 0], *table[list(second), 1]])[1:-1])
        for first, second in product(product(range(3), repeat=3), repeat=2)
    ]
    assert found.value == (2 + 4 + 10 + 30) / 4
    np.testing.assert_allclose((found.low, found.high), np.quantile(every, (0.025, 0.975)), atol=0.76)
    assert (found.seeds, found.targets, found.dropped, found.reason) == (3, 2, (), None)


def test_the_probability_of_improvement_counts_pairs_of_runs():
    # First target: 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4. Second: none of 4.
    found = improvement([[3, 0], [2, 0]], [[1, 5], [2, 6]])
    assert found.value == (3.5 / 4 + 0) / 2
    assert found.low <= found.value <= found.high


def test_the_interval_of_improvement_redraws_both_methods():
    a, b = np.array([[1.0], [4.0], [6.0]]), np.array([[2.0], [5.0]])
    found = improvement(a, b, resamples=20_000)
    every = [
        np.mean([x > y for x in a[list(first), 0] for y in b[list(second), 0]])
        for first, second in product(product(range(3), repeat=3), product(range(2), repeat=2))
    ]
    # 1 beats none, 4 one, 6 both: 3 of 6.
    assert found.value == 0.5
    assert (found.low, found.high) == tuple(np.quantile(every, (0.025, 0.975)))
    assert found.seeds == 2


def test_better_everywhere_is_certain():
    found = improvement([[9, 8], [7, 9]], [[1, 2], [3, 2], [2, 2]])
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_one_seed_has_no_interval_to_speak_of():
    assert "one training seed" in iqm_interval([[1, 2, 3]]).reason
    assert "one training seed" in improvement([[1, 2]], [[1, 2], [3, 4]]).reason


def test_targets_that_lack_a_score_do_not_count():
    found = iqm_interval([[1, math.nan, 3], [2, 5, 4]])
    expected = iqm_interval([[1, 3], [2, 4]])
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)
    assert (found.targets, found.dropped) == (2, (1,))
    both = improvement([[1, math.nan, 3]], [[math.nan, 5, 4]])
    assert (both.value, both.targets, both.dropped) == (0, 1, (0, 1))


def test_bad_input_is_refused():
    with pytest.raises(BenchbenchError, match=r"the same targets: \(1, 2\), \(1, 3\)"):
        improvement([[1, 2]], [[1, 2, 3]])
    with pytest.raises(BenchbenchError, match=r"tables over the same targets: \(3,\)"):
        iqm_interval([1, 2, 3])
    with pytest.raises(BenchbenchError, match="no target has a score of every seed"):
        iqm_interval([[math.nan], [1]])


RUNS = st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=4)


@given(RUNS, RUNS)
def test_either_method_improves_or_the_other_does(a, b):
    forth, back = improvement(a, b, resamples=50), improvement(b, a, resamples=50)
    assert forth.value + back.value == pytest.approx(1)
    # Any increasing change of the unit leaves it alone.
    assert improvement(np.exp(a), np.exp(b), resamples=50) == forth
