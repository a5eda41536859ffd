"""Fixed episodes never change: committed records hold scores of them."""

import numpy as np

from benchbench import EpisodeShape
from benchbench.episodes.fixed import episode_set_hash, fixed_episode

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
