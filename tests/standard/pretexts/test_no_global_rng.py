import numpy as np
import pytest
import torch

from benchbench import Batch, EpisodeShape, Rng, SampleSpec
from benchbench.components.reference import resolve_component

EPISODIC = ["rotation", "jigsaw", "contrastive", "mixture", "labels"]
PLAIN = ["autoencoder", "barlow-twins", "byol", "colorization", "relative-patch", "swav", "vicreg"]


@pytest.mark.parametrize("name", EPISODIC)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 50, 50)])
def test_draws_follow_the_stream_alone(name, shape, encoder, make_pool):
    spec, pool = SampleSpec("image", shape), make_pool(shape, labelled=name == "labels")
    pretext = resolve_component("pretext", name).build(encoder(spec), spec)
    pretext.prepare(pool, pretext.encoder, Rng(0))
    index = torch.arange(6)
    batch = Batch(pool.images(index), index, pool.labels[index] if name == "labels" else None)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    results = []
    for seed in (0, 0, 1):
        episodes = pretext.episodes(pool, EpisodeShape(3, 1, 2), 4, Rng(seed))
        results.append((episodes.all_x, pretext.loss(batch, Rng(seed))))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], results[2][0])
    assert results[0][0].shape == (4, 9, *shape)
    assert results[0][0].min() >= 0
    assert results[0][0].max() <= 1 + 1e-6


@pytest.mark.parametrize("name", PLAIN)
def test_losses_follow_the_stream_alone(name, encoder, make_pool):
    spec, pool = SampleSpec("image", (3, 24, 24)), make_pool((3, 24, 24))
    torch.manual_seed(0)
    pretext = resolve_component("pretext", name).build(encoder(spec), spec)
    pretext.prepare(pool, pretext.encoder, Rng(0))
    x = pool.images(torch.arange(6))
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    losses = [pretext.task_loss(pretext.encoder, x, Rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(losses[0], losses[1])
    drawn = name not in ("autoencoder", "colorization")
    assert torch.equal(losses[0], losses[2]) is not drawn
    assert losses[0].shape == ()
    losses[0].backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in pretext.encoder.parameters())
