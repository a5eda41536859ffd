import pytest
import torch
from torch.nn import functional as F

from benchbench import Batch, BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench.rng import seeded_globals
from benchbench_standard.pretexts.labels import Labels
from benchbench_standard.pretexts.none import RandomInitialisation

SPEC = SampleSpec("image", (1, 8, 8))


def test_the_head_is_made_in_prepare_and_trains(encoder, make_pool):
    pool, heads = make_pool(labelled=True), []
    for _ in range(2):
        labels = Labels(encoder(SPEC), SPEC)
        with seeded_globals(Rng(0)):
            labels.prepare(pool, labels.encoder, Rng(0))
        heads.append(labels.classifier.weight)
    assert heads[0].shape == (5, 6)
    assert torch.equal(*heads)
    assert any(p is heads[1] for group in labels.parameter_groups() for p in group["params"])
    index = torch.arange(0, 60, 7)
    x, y = pool.images(index), pool.labels[index]
    expected = F.cross_entropy(labels.classifier(labels.encoder(x)), y)
    torch.testing.assert_close(labels.loss(Batch(x, index, y), Rng(0)), expected)


def test_episodes_are_of_true_classes(encoder, make_pool, same_image):
    pool = make_pool(labelled=True)
    episodes = Labels(encoder(SPEC), SPEC).episodes(pool, EpisodeShape(4, 1, 2), 10, Rng(0))
    for b in range(10):
        origin = same_image(episodes.all_x[b], pool)
        y = torch.cat([episodes.support_y[b], episodes.labels()[b]])
        assert len(origin.unique()) == 12
        assert all(len(pool.labels[origin[y == w]].unique()) == 1 for w in range(4))


def test_an_unlabelled_pool_is_refused(encoder, make_pool):
    with pytest.raises(BenchbenchError, match="unlabelled"):
        Labels(encoder(SPEC), SPEC).episodes(make_pool(), EpisodeShape(2, 1, 1), 1, Rng(0))


def test_none_trains_nothing(encoder):
    none = RandomInitialisation(encoder(SPEC), SPEC)
    assert none.objectives == frozenset()
    with pytest.raises(TypeError):
        none.loss(Batch(torch.rand(1, 1, 8, 8), torch.arange(1)), Rng(0))
