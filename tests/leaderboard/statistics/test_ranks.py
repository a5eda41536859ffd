import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.ranks import average_tied_ranks, tied_ranks

ORACLE = json.loads((Path(__file__).parents[2] / "fixtures" / "metadataset_imagenet.json").read_text("utf-8"))


def test_the_published_leaderboard_of_meta_dataset_is_reproduced():
    columns = ORACLE["columns"]
    assert (len(ORACLE["methods"]), len(columns)) == (16, 10)
    found = average_tied_ranks({name: (c["mean"], c["half"]) for name, c in columns.items()})
    for name, column in columns.items():
        assert found.by_column[name].tolist() == column["rank"], name
    assert np.round(found.average, 9).tolist() == ORACLE["average_rank"]
    assert (found.columns == 10).all()


def test_ties_are_with_the_best_that_remains():
    # 90 ± 3 and 86 ± 3 tie (4 <= 4.24); 83 ± 3 would tie with 86, not with 90: it is the best of the rest.
    assert tied_ranks([83, 90, 86, 60], [3, 3, 3, 3]).tolist() == [3, 1.5, 1.5, 4]


def test_a_difference_of_exactly_the_joint_interval_ties():
    assert tied_ranks([50, 45], [3, 4]).tolist() == [1.5, 1.5]
    assert tied_ranks([50, 44.99], [3, 4]).tolist() == [1, 2]


def test_of_equal_means_the_narrower_interval_is_taken_first():
    # Taken first, 50 ± 9 would tie with all.
    assert tied_ranks([50, 45, 50], [9, 1, 1]).tolist() == [1.5, 3, 1.5]


def test_missing_scores_have_no_rank_and_move_nobody():
    table = {"a": ([50, math.nan, 40], [1, math.nan, 1]), "b": ([40, math.nan, 50], [1, 1, 1])}
    found = average_tied_ranks(table | {"c": ([9, math.nan, math.nan], [1, 1, 1])})
    np.testing.assert_array_equal(found.by_column["a"], [1, math.nan, 2])
    np.testing.assert_array_equal(found.average, [4 / 3, math.nan, 1.5])
    assert found.columns.tolist() == [3, 0, 2]


def test_excluded_columns_are_ranked_and_not_averaged():
    table = {"valid": ([1, 2], [0, 0]), "test": ([2, 1], [0, 0])}
    found = average_tied_ranks(table, exclude=["valid"])
    assert found.average.tolist() == [1, 2]
    assert found.by_column["valid"].tolist() == [2, 1]
    with pytest.raises(BenchbenchError, match="did you mean 'valid'"):
        average_tied_ranks(table, exclude=["valdi"])
    with pytest.raises(BenchbenchError, match="not excluded"):
        average_tied_ranks(table, exclude=list(table))


def test_means_and_half_widths_must_fit():
    with pytest.raises(BenchbenchError, match="as many half-widths"):
        tied_ranks([1, 2], [1])
    with pytest.raises(BenchbenchError, match="for every mean"):
        tied_ranks([1, 2], [1, math.nan])


SCORES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 9)), min_size=1, max_size=12)


@given(SCORES, st.randoms())
def test_ranks_do_not_depend_on_order_unit_or_offset(scores, random):
    shuffled = list(scores)
    random.shuffle(shuffled)
    ranks = dict(zip(scores, tied_ranks(*zip(*scores, strict=True)), strict=True))
    mean, half = np.array(shuffled, float).T
    # A power of two, so that ties at the very edge survive the change of unit.
    assert [ranks[s] for s in shuffled] == tied_ranks(mean / 4 + 2, half / 4).tolist()
    assert sum(tied_ranks(mean, half)) == len(scores) * (len(scores) + 1) / 2


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12))
def test_without_intervals_ranks_are_those_of_the_means(means):
    assert tied_ranks(means, [0] * len(means)).tolist() == stats.rankdata([-m for m in means]).tolist()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4), st.booleans()), max_size=14))
def test_ranks_are_those_of_the_definition(scores):
    means = [math.nan if missing else float(mean) for mean, _, missing in scores]
    left, ranks, taken = {i for i, mean in enumerate(means) if not math.isnan(mean)}, {}, 0
    while left:
        best = min(left, key=lambda i: (-means[i], scores[i][1]))
        ties = {i for i in left if means[best] - means[i] <= math.hypot(scores[best][1], scores[i][1])}
        ranks |= dict.fromkeys(ties, taken + (1 + len(ties)) / 2)
        taken, left = taken + len(ties), left - ties
    found = tied_ranks(means, [half for _, half, _ in scores])
    assert {i: rank for i, rank in enumerate(found.tolist()) if not math.isnan(rank)} == ranks
