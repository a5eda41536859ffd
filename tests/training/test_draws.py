"""What a step holds where the pretext has fewer classes than were asked for."""

from types import SimpleNamespace

import pytest

from benchbench.rng import Rng
from benchbench.training.draws import TrainingEpisodes

ASKED = {"ways": 64, "shots": 1, "queries": 3, "meta_batch": 1}


@pytest.mark.parametrize(
    ("most", "asked", "expected"),
    # 64 ways of 4 samples are 256, as 16 episodes of 4 ways are; 7 episodes of 3 ways are the first to hold 20.
    [(4, ASKED, (4, 16, 256)), (3, ASKED | {"ways": 10, "meta_batch": 2}, (3, 7, 84)), (None, ASKED, (64, 1, 256))],
)
def test_capped_ways_raise_the_meta_batch(most, asked, expected):
    episodes = TrainingEpisodes(SimpleNamespace(max_ways=most), None, asked)
    assert (episodes.ways, episodes.meta_batch, episodes.samples(Rng("test"))) == expected


def test_varying_ways_leave_the_meta_batch():
    episodes = TrainingEpisodes(SimpleNamespace(max_ways=4), None, ASKED | {"sampler": "meta-dataset"})
    assert (episodes.ways, episodes.meta_batch) == (None, 1)
