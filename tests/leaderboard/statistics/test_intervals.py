import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.intervals import hierarchical, residual_variance


def test_one_seed_has_meta_dataset_s_interval_over_episodes():
    found = hierarchical([[0.25, 0.75]])
    # Standard deviation (ddof 0) .25 over two episodes.
    assert (found.mean, found.over, found.seeds, found.episodes) == (0.5, "episodes", 1, 2)
    assert found.half == pytest.approx(1.96 * 0.25 / math.sqrt(2))
    assert found.episode_se == pytest.approx(0.25 / math.sqrt(2))
    assert found.seed_se is None
    assert (found.low, found.high) == (found.mean - found.half, found.mean + found.half)


def test_several_seeds_have_student_s_interval_and_both_parts():
    found = hierarchical([[1, 3], [2, 6]])
    # Seeds' means 2 and 4: variance 2, standard error 1; 12.7062 is Student's 97.5% quantile with 1 degree of freedom.
    assert (found.mean, found.over, found.seeds, found.episodes) == (3, "seeds", 2, 2)
    assert found.half == pytest.approx(12.7062, abs=1e-4)
    # Episodes' means 1.5 and 4.5: variance (ddof 0) 2.25. What is left is ±0.5 everywhere: a sum of squares of 1 with
    # 1 degree of freedom, of which a seed's mean of two episodes holds one half.
    assert found.episode_se == pytest.approx(math.sqrt(2.25 / 2))
    assert found.seed_se == pytest.approx(math.sqrt((2 - 0.5) / 2))


def test_seeds_that_differ_by_chance_alone_have_no_seed_variance():
    # Both means are 2: whatever the episodes do, the seeds do not differ.
    found = hierarchical([[1, 3], [3, 1]])
    assert (found.seed_se, found.over, found.seeds) == (0, "episodes", 2)
    # A zero would claim certainty: it is that of one training, with standard deviation 1 over two episodes.
    assert found.half == pytest.approx(1.96 / math.sqrt(2))
    assert hierarchical([[0.1, 0.2]] * 3).half == pytest.approx(hierarchical([[0.1, 0.2]]).half)


def test_seeds_with_other_numbers_of_episodes_have_episodes_of_their_own():
    found = hierarchical([[0, 2], [4, 8, 4, 8]])
    # Means 1 and 6 with variances (ddof 0) 1/2 and 4/4: (1/2 + 1) / 4 of the mean of both.
    assert (found.mean, found.episodes) == (3.5, 2)
    assert found.episode_se == pytest.approx(math.sqrt(1.5 / 4))
    assert found.seed_se == pytest.approx(math.sqrt((12.5 - 0.75) / 2))


def test_the_parts_are_those_that_went_in():
    rng = np.random.default_rng(0)
    seeds, episodes = 40, 100
    parts = []
    for _ in range(200):
        x = rng.normal(0, 2, (seeds, 1)) + rng.normal(0, 5, episodes) + rng.normal(0, 8, (seeds, episodes))
        found = hierarchical(x)
        parts.append((found.seed_se**2, found.episode_se**2))
    seed, episode = np.mean(parts, axis=0)
    assert seed == pytest.approx(2**2 / seeds, rel=0.05)
    # A column's mean holds the rest as well: 8²/40.
    assert episode == pytest.approx((5**2 + 8**2 / seeds) / episodes, rel=0.05)


@given(st.lists(st.lists(st.integers(0, 75), min_size=4, max_size=4), min_size=1, max_size=5), st.randoms())
def test_the_order_of_seeds_and_episodes_changes_nothing_and_the_unit_only_scales(counts, random):
    scores = np.array(counts) / 75
    first = hierarchical(scores)
    rows, columns = list(range(len(scores))), list(range(4))
    random.shuffle(rows)
    random.shuffle(columns)
    other = hierarchical(100 * scores[rows][:, columns] + 3)
    assert other.mean == pytest.approx(100 * first.mean + 3)
    # Variances of the order of rounding become standard errors of the order of its root.
    for name in ("half", "episode_se", "seed_se"):
        assert getattr(other, name) == (
            None if getattr(first, name) is None else pytest.approx(100 * getattr(first, name), abs=1e-6)
        )


def test_residuals_of_one_row_or_column_are_none():
    assert residual_variance(np.array([[1.0, 5.0]])) == residual_variance(np.array([[1.0], [5.0]])) == 0


@pytest.mark.parametrize("scores", [[], [[]], [[[1.0]]], [[1.0, math.nan]], [[1.0], [math.inf]]])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(BenchbenchError, match="finite scores"):
        hierarchical(scores)
