"""Classes that mean the same in every source: labels keep their order, in training and at test."""

import numpy as np
import pytest

from benchbench.data.pool import Pool
from benchbench.data.prepare import Prepared
from benchbench.data.splits import ClassSplit
from benchbench.data.table import SampleTable
from benchbench.episodes.batch import EpisodeShape
from benchbench.episodes.variable import VariableShape
from benchbench.evaluation.target import Target
from benchbench.rng import Rng
from benchbench.testing.standins import _Held

USERS = 6
SHAPE = EpisodeShape(2, 2, 3)


def held(*, ordered: bool) -> tuple[SampleTable, ClassSplit]:
    """Users with two classes each, whose images are black or white."""
    labels = np.arange(2 * USERS).repeat(12)
    x = np.where(labels % 2, 255, 0).astype(np.uint8)[:, None, None, None] * np.ones((1, 4, 4), np.uint8)
    table = SampleTable(x, labels, tuple(f"user{c // 2}/{c % 2}" for c in range(2 * USERS)), f"f{ordered}", "p")
    each = [ClassSplit(train=(2 * u, 2 * u + 1), ordered=ordered) for u in range(USERS - 2)]
    each += [ClassSplit(test=(2 * u, 2 * u + 1), ordered=ordered) for u in range(USERS - 2, USERS)]
    return table, ClassSplit.joined(each)


@pytest.mark.parametrize("ordered", [True, False])
def test_labels_in_training(ordered):
    table, split = held(ordered=ordered)
    pool = Pool.of(table, split, "train", name="users", labelled=True)
    episodes = pool.labelled_episodes(SHAPE, 40, Rng("ordered"))
    liked = episodes.support_x.flatten(2).mean(-1).round().long()
    agree = (liked == episodes.support_y).all(1)
    assert agree.all() if ordered else 5 < agree.sum() < 35
    again = pool.variable_episode(VariableShape(ways=2), Rng("ordered", 1))
    if ordered:
        assert (again.support_x.flatten(2).mean(-1).round().long() == again.support_y).all()


@pytest.mark.parametrize("ordered", [True, False])
def test_labels_at_test(ordered):
    table, split = held(ordered=ordered)
    dataset = _Held("image")
    target = Target(Prepared("users", dataset, table, split), Prepared("users", dataset, table, split).sample)
    drawn = target.drawn(SHAPE, 40)
    agree = [bool((table.labels[e.query] % 2 == e.query_y).all()) for e in drawn]
    assert all(agree) if ordered else 5 < sum(agree) < 35


def test_it_is_in_the_fingerprint_only_where_it_is_so():
    assert "ordered" not in ClassSplit(train=(0,)).as_json()
    assert ClassSplit(train=(0,), ordered=True).as_json()["ordered"] is True
    assert ClassSplit(train=(0,), ordered=True).renumbered([3], 4).ordered
