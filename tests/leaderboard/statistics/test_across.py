import math
from itertools import combinations

import numpy as np
import pytest
import scikit_posthocs as posthocs
from hypothesis import given
from hypothesis import strategies as st

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.across import (
    cliques,
    critical_difference,
    friedman,
    nemenyi,
    wilcoxon_holm,
)

#: Demšar 2006, table 5a: q.05 of Nemenyi's test for 2 to 10 methods.
DEMSAR_Q = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)

#: Demšar 2006, table 6: AUC of four variants of C4.5 (columns) on 14 data sets. Voting is printed
#: as .975 twice; the average ranks printed there need the third variant ahead.
DEMSAR_AUC = np.array(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),
        (0.957, 0.978, 0.946, 0.970),
    ]
).T
VARIANTS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def named(table):
    """The arguments of a comparison: methods m0, m1, ... and targets t0, t1, ..."""
    table = np.asarray(table, float)
    return table, [f"m{i}" for i in range(table.shape[0])], [f"t{i}" for i in range(table.shape[1])]


def random_table(seed, methods=5, targets=12):
    return np.random.default_rng(seed).normal(size=(methods, targets)) + np.linspace(0, 1.5, methods)[:, None]


@pytest.mark.parametrize(("methods", "q"), list(enumerate(DEMSAR_Q, 2)))
def test_critical_differences_are_demsar_s(methods, q):
    for targets in (6, 10, 30):
        unit = math.sqrt(methods * (methods + 1) / (6 * targets))
        assert critical_difference(methods, targets) / unit == pytest.approx(q, abs=0.002)


def test_demsar_s_example():
    found = friedman(DEMSAR_AUC, VARIANTS, [f"t{i}" for i in range(14)])
    # Average ranks and critical differences as printed: 2.569 * sqrt(4 * 5 / (6 * 14)) = 1.25, 2.291 for q.10.
    np.testing.assert_allclose(found.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.p < 0.05
    assert found.claim
    # Nemenyi's test is not powerful enough at 5% there; at 10% it tells C4.5 from the two variants with m.
    assert found.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    assert cliques(found.mean_ranks, critical_difference(4, 14, alpha=0.10)) == [(3, 1, 2), (2, 0)]


def test_friedman_s_test_by_its_formulas():
    table, methods, targets = named(random_table(1, methods=3, targets=12))
    found = friedman(table, methods, targets)
    # No ties: the rank of a score is one more than the number of better ones on its target.
    ranks = np.array([[1 + sum(row > row[i]) for i in range(3)] for row in table.T]).mean(axis=0)
    statistic = 12 * 12 / (3 * 4) * (sum(ranks**2) - 3 * 4**2 / 4)
    np.testing.assert_allclose(found.mean_ranks, ranks)
    assert found.statistic == pytest.approx(statistic)
    # F with 2 and 22 degrees of freedom exceeds f with probability (1 + 2 f / 22)^-11.
    f = 11 * statistic / (12 * 2 - statistic)
    assert found.p == pytest.approx((1 + 2 * f / 22) ** -11)
    assert 0.001 < found.p < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_nemenyi_agrees_with_scikit_posthocs(seed):
    table, methods, targets = named(random_table(seed))
    found = friedman(table, methods, targets)
    p = nemenyi(found)
    np.testing.assert_allclose(p, posthocs.posthoc_nemenyi_friedman(table.T).to_numpy(), atol=1e-6)
    apart = np.abs(found.mean_ranks[:, None] - found.mean_ranks)
    np.testing.assert_array_equal(p < 0.05, apart > found.critical_difference)


@pytest.mark.parametrize("seed", range(3))
def test_wilcoxon_and_holm_agree_with_scikit_posthocs(seed):
    table, methods, targets = named(random_table(seed))
    expected = posthocs.posthoc_wilcoxon(list(table), p_adjust="holm").to_numpy()
    found = wilcoxon_holm(table, methods, targets)
    assert found.reason is None
    for a, b in combinations(range(5), 2):
        assert found.p[f"m{a}", f"m{b}"] == pytest.approx(expected[a, b])


def test_a_target_counts_only_with_a_score_of_every_method():
    table = random_table(2, methods=3, targets=8)
    holed = table.copy()
    holed[1, 2] = holed[0, 5] = np.nan
    whole = [0, 1, 3, 4, 6, 7]
    found, expected = friedman(*named(holed)), friedman(*named(table[:, whole]))
    assert (found.targets, found.dropped) == (tuple(f"t{i}" for i in whole), ("t2", "t5"))
    assert (found.mean_ranks == expected.mean_ranks).all()
    assert (found.p, found.critical_difference) == (expected.p, expected.critical_difference)
    pairs = wilcoxon_holm(*named(holed))
    assert pairs.dropped == ("t2", "t5")
    assert pairs.p == wilcoxon_holm(*named(table[:, whole])).p


def test_too_few_targets_support_no_claim():
    # The same order on each of five targets: all that five targets can show.
    five = np.arange(3)[:, None] + np.arange(5) / 10
    found = friedman(*named(five))
    assert not found.claim
    assert found.reason.startswith("5 targets on which every method has a score: with fewer than 6")
    assert found.cliques == (("m2", "m1", "m0"),)
    pairs = wilcoxon_holm(*named(five))
    # Two-sided: the two extreme ones of 2^5 patterns of signs, times three pairs.
    assert set(pairs.p.values()) == {3 * 2 / 2**5}
    assert pairs.reason == found.reason


def test_enough_targets_support_a_claim():
    ten = np.arange(3)[:, None] + np.arange(10) / 10
    found = friedman(*named(ten))
    # Mean ranks 3, 2, 1; CD = 2.344 * sqrt(3 * 4 / 60) = 1.048 spans neighbours only.
    assert found.cliques == (("m2", "m1"), ("m1", "m0"))
    assert found.claim
    assert set(wilcoxon_holm(*named(ten)).p.values()) == {3 * 2 / 2**10}


def test_more_pairs_need_more_targets():
    pairs = wilcoxon_holm(*named(np.arange(4)[:, None] + np.arange(6) / 10))
    assert pairs.reason == "6 pairs over 6 targets: after Holm's correction no pair can reach p < .05"
    assert min(pairs.p.values()) == 6 * 2 / 2**6


def test_methods_that_do_not_differ_support_no_claim():
    same = friedman(*named(np.ones((3, 8))))
    assert (same.mean_ranks.tolist(), same.statistic, same.p) == ([2, 2, 2], 0, 1)
    assert "finds no difference" in same.reason
    assert set(wilcoxon_holm(*named(np.ones((3, 8)))).p.values()) == {1}


def test_two_methods_have_ranks_without_friedman_s_test():
    found = friedman(*named([[2] * 8, [1] * 8]))
    assert math.isnan(found.p)
    # 1.96 * sqrt(2 * 3 / 48) = 0.693 < 1
    assert found.claim
    assert found.cliques == ()


def test_no_complete_target_leaves_nothing_to_rank():
    found = friedman(*named([[1, math.nan], [math.nan, 2]]))
    assert (found.targets, found.dropped) == ((), ("t0", "t1"))
    assert np.isnan(found.mean_ranks).all()
    assert found.reason.startswith("0 targets")
    assert found.cliques == ()
    assert nemenyi(found).tolist() == [[1, 1], [1, 1]]
    assert wilcoxon_holm(*named([[1, math.nan], [math.nan, 2]])).p == {("m0", "m1"): 1}


def test_bars_of_the_diagram_are_maximal_groups():
    # Worked out by eye: reach 1 from 1.0 takes 1.5 and 2.0; from 1.5 nothing new; 2.0 takes 2.9; 4.5 stands alone.
    assert cliques([2.0, 1.0, 4.5, 1.5, 2.9], 1) == [(1, 3, 0), (0, 4)]
    assert cliques([1, 3, 2], 0.5) == []
    assert cliques([1, 2, 3], 2) == [(0, 1, 2)]


def test_bad_input_is_refused():
    with pytest.raises(BenchbenchError, match=r"\(methods, targets\) = \(2, 1\), but are \(2, 2\)"):
        friedman([[1, 2], [3, 4]], ["a", "b"], ["t"])
    with pytest.raises(BenchbenchError, match="two methods, got 1"):
        wilcoxon_holm([[1, 2]], ["a"], ["t", "u"])
    with pytest.raises(BenchbenchError, match="got 1 and 8"):
        critical_difference(1, 8)


TABLES = st.lists(st.lists(st.integers(0, 9), min_size=7, max_size=7), min_size=3, max_size=5)


@given(TABLES, st.randoms())
def test_order_and_scale_of_scores_change_nothing(rows, random):
    table, methods, targets = named(rows)
    order, columns = list(range(len(rows))), list(range(7))
    random.shuffle(order)
    random.shuffle(columns)
    first = friedman(table, methods, targets)
    other = friedman((3 * table + 1)[order][:, columns], [methods[i] for i in order], [targets[i] for i in columns])
    np.testing.assert_allclose(other.mean_ranks, first.mean_ranks[order])
    assert other.p == pytest.approx(first.p)
    assert {frozenset(c) for c in other.cliques} == {frozenset(c) for c in first.cliques}
