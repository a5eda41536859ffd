import sys
from itertools import combinations

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench.components.reference import resolve_component
from benchbench_standard.pretexts.cactus import partition

SPEC = SampleSpec("image", (1, 8, 8))


def embed(encoder):
    return torch.no_grad()(encoder)


def cactus(encoder, **settings):
    return resolve_component("pretext", "cactus", settings).build(encoder(SPEC), SPEC)


def test_partition_finds_what_lies_together():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    truth = np.repeat(np.arange(3), 15)
    z = centres[truth] + np.random.RandomState(0).uniform(-1, 1, (45, 2))
    found = partition(z, 3, Rng(0))
    assert sorted(c.tolist() for c in found) == [list(range(15 * i, 15 * i + 15)) for i in range(3)]


def test_episodes_are_of_clusters(encoder, make_pool, same_image):
    """An embedding that is the sample's class, whatever the pixels: the clusters are the classes."""
    pool, pretext = make_pool(), cactus(encoder, clusters=5)
    places = torch.arange(60) // 12
    pretext.prepare(pool, lambda x: torch.eye(5)[places[same_image(x, pool)]], Rng(0))
    assert sorted(c.tolist() for c in pretext.members[0]) == [list(range(12 * i, 12 * i + 12)) for i in range(5)]
    episodes = pretext.episodes(pool, EpisodeShape(3, 2, 4), 30, Rng(0))
    orders = set()
    for b in range(30):
        origin = same_image(episodes.all_x[b], pool)
        assert len(origin.unique()) == 18
        y = torch.cat([episodes.support_y[b], episodes.labels()[b]])
        meaning = [places[origin[y == w]].unique() for w in range(3)]
        assert all(len(m) == 1 for m in meaning)
        orders.add(tuple(int(m) for m in meaning))
    assert all(len(set(order)) == 3 for order in orders)
    assert len(orders) > 12  # of 60


def test_several_partitions_differ_and_all_are_drawn_from(encoder, make_pool, same_image):
    pool, pretext = make_pool(), cactus(encoder, clusters=6, partitions=3)
    pretext.prepare(pool, embed(pretext.encoder), Rng(0))
    sets = [{tuple(c) for c in members} for members in pretext.members]
    assert sets[0] != sets[1] != sets[2] != sets[0]
    for members in pretext.members:
        assert sorted(np.concatenate(members)) == list(range(60))
    again = cactus(encoder, clusters=6, partitions=3)
    again.prepare(pool, embed(pretext.encoder), Rng(0))
    assert [{tuple(c) for c in members} for members in again.members] == sets
    seen = set()
    for episode in pretext.episodes(pool, EpisodeShape(2, 1, 2), 60, Rng(0)).chunks(1):
        origin, y = same_image(episode.all_x[0], pool), torch.cat([episode.support_y[0], episode.labels()[0]])
        groups = [set(origin[y == w].tolist()) for w in range(2)]
        for p, members in enumerate(pretext.members):
            if all(any(group <= set(c) for c in members) for group in groups):
                seen.add(p)
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("partitions", [1, 3])
def test_each_of_several_partitions_scales_the_dimensions(partitions, encoder, make_pool, monkeypatch):
    """By random factors below 1, other ones each time, but for the first (official code); clusters are one for 20."""
    pool, pretext, seen = make_pool(), cactus(encoder, partitions=partitions), []
    module = sys.modules[type(pretext).__module__]
    monkeypatch.setattr(module, "partition", lambda z, k, rng: seen.append((z, k)) or partition(z, k, rng))
    pretext.prepare(pool, embed(pretext.encoder), Rng(0))
    assert [k for _, k in seen] == [3] * partitions
    z = pretext.encoder(pool.images(torch.arange(60))).detach().numpy()
    scales = [found[0] / z[0] for found, _ in seen]
    for p, ((found, _), scale) in enumerate(zip(seen, scales, strict=True)):
        np.testing.assert_allclose(found, z * scale, rtol=1e-4)
        assert (scale == 1).all() if p == 0 else ((scale > 0) & (scale < 1)).all()
    assert all(np.abs(a - b).max() > 0.1 for a, b in combinations(scales, 2))


def test_too_few_large_clusters(encoder, make_pool):
    pool, pretext = make_pool(), cactus(encoder, clusters=30)
    pretext.prepare(pool, embed(pretext.encoder), Rng(0))
    with pytest.raises(BenchbenchError, match=r"\d+ of 30 clusters have 6 images, too few for 20 ways"):
        pretext.episodes(pool, EpisodeShape(20, 1, 5), 1, Rng(0))
    with pytest.raises(BenchbenchError, match="61 clusters of random"):
        cactus(encoder, clusters=61).prepare(pool, embed(pretext.encoder), Rng(0))


def test_other_pools_have_no_clusters(encoder, make_pool):
    pool, pretext = make_pool(), cactus(encoder, clusters=3)
    with pytest.raises(BenchbenchError, match=r"clusters of nothing, none of random \(train\)"):
        pretext.episodes(pool, EpisodeShape(2, 1, 1), 1, Rng(0))


def test_it_is_no_part_of_a_mixture(encoder):
    with pytest.raises(BenchbenchError, match="cactus follows another's training"):
        resolve_component("pretext", "mixture", {"parts": ["rotation", "cactus"]}).build(encoder(SPEC), SPEC)
