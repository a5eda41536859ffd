import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.robust import average_interval, improvement, iqm, iqm_interval


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    assert iqm([[8, 1, 3, 6], [100, 5, -50, 4]]) == (3 + 4 + 5 + 6) / 4
    # Five of them: floor(5 / 4) = 1 at either end.
    assert iqm([1, 2, 4, 6, 90]) == 4


def test_a_seed_s_average_over_targets_is_one_observation():
    found = average_interval([[1, 5], [2, 8], [3, 11]])
    # Seeds' means 3, 5 and 7: standard error 2 / sqrt(3); 4.3027 is Student's 97.5% quantile, 2 degrees of freedom.
    assert found.value == 5
    assert found.half == pytest.approx(4.302653 * 2 / math.sqrt(3))
    assert (found.seeds, found.targets, found.dropped) == (3, 2, ())


def test_targets_that_repeat_each_other_tell_nothing_more():
    table = np.array([[1.0], [4.0], [6.0]])
    for interval in (average_interval, iqm_interval):
        assert interval(np.repeat(table, 8, axis=1)).half == pytest.approx(interval(table).half)


def test_the_interval_of_the_iqm_is_student_s_over_the_seeds_own():
    found = iqm_interval([[1, 4, 6, 90], [2, 8, 10, 99]])
    # All eight without two at either end: 4, 6, 8, 10. A seed's own without one: 5 and 9, standard error 2; 12.7062 is
    # Student's 97.5% quantile with 1 degree of freedom.
    assert found.value == 7
    assert found.half == pytest.approx(12.7062 * 2, rel=1e-5)


def test_the_probability_of_improvement_counts_pairs_of_runs():
    # First target: 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4. Second: none of 4.
    assert improvement([[3, 0], [2, 0]], [[1, 5], [2, 6]]) == (3.5 / 4 + 0) / 2
    # 1 beats none, 4 one, 6 both: 3 of 6.
    assert improvement([[1], [4], [6]], [[2], [5]]) == 0.5
    assert improvement([[9, 8], [7, 9]], [[1, 2], [3, 2], [2, 2]]) == 1


def test_one_seed_and_seeds_that_agree_show_no_spread():
    for interval in (average_interval, iqm_interval):
        assert interval([[1, 2, 3]]).half is None
        assert interval([[0.1, 0.2, 0.3]] * 3).half is None


def test_targets_that_lack_a_score_do_not_count():
    found, expected = iqm_interval([[1, math.nan, 3], [2, 5, 4]]), iqm_interval([[1, 3], [2, 4]])
    assert (found.value, found.half) == (expected.value, expected.half)
    assert (found.targets, found.dropped) == (2, (1,))
    assert improvement([[1, math.nan, 3]], [[math.nan, 5, 4]]) == 0


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
    forth = improvement(a, b)
    assert forth + improvement(b, a) == pytest.approx(1)
    # Any increasing change of the unit leaves it alone.
    assert improvement(np.exp(a), np.exp(b)) == forth
