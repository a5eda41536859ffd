"""Fixed episodes never change: committed records hold scores of them."""

import numpy as np
import pytest

from benchbench import BenchbenchError, EpisodeShape
from benchbench.episodes.fixed import check_shape, episode_set_hash, fixed_episode

INDEX = [np.arange(20 * c, 20 * c + 20) for c in range(40)]
SHAPE = EpisodeShape(5, 1, 15)


def test_golden():
    episodes = [fixed_episode("golden", i, SHAPE, INDEX) for i in range(20)]
    assert episode_set_hash(episodes) == "fa7bbb014c6cee77a520d79d8b7d248b907c7c95ff6bc8854afab7aaba2f6be9"


def test_golden_with_variants():
    variant_of = [c // 4 for c in range(40)]
    episodes = [fixed_episode("golden", i, SHAPE, INDEX, variant_of) for i in range(20)]
    assert episode_set_hash(episodes) == "078e043d49c11a8b7f929809398840d6128e8069482abdb2062d922c050778c9"
    assert all(len({c // 4 for c in e.classes}) == 5 for e in episodes)


def test_classes_that_are_too_small_are_named():
    shape = EpisodeShape(ways=2, shots=1, queries=3)
    index = [np.arange(size) for size in (9, 3, 1, 4)]
    with pytest.raises(BenchbenchError, match=r"class has 1; too small: 'owl' 1, 'bat' 3 \(2 of 4 classes\)"):
        check_shape(shape, index, "here", names=("ant", "bat", "owl", "yak"))
    with pytest.raises(BenchbenchError, match=r"its smallest class has 1$"):
        check_shape(shape, index, "here")
    names = [f"c{i}" for i in range(9)]
    with pytest.raises(BenchbenchError, match=r"'c4' 0 and 4 more \(9 of 9 classes\)"):
        check_shape(shape, [np.arange(0)] * 9, "here", names=names)
