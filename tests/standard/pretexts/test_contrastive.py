import math

import numpy as np
import pytest
import torch

from benchbench import Batch, BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench_standard.metas.protonet import ProtoNet
from benchbench_standard.pretexts.contrastive import Contrastive, nt_xent


@pytest.mark.usefixtures("float64")
def test_nt_xent_against_a_loop_over_equation_1():
    z = torch.randn(10, 4, generator=Rng(0).cpu)
    total = 0.0
    for i in range(10):
        j = (i + 5) % 10
        scores = [math.exp(float(torch.cosine_similarity(z[i], z[k], dim=0)) / 0.3) for k in range(10)]
        total -= math.log(scores[j] / sum(s for k, s in enumerate(scores) if k != i))
    assert float(nt_xent(z, 0.3)) == pytest.approx(total / 10)


@pytest.mark.usefixtures("float64")
def test_nt_xent_by_hand():
    z = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 0.0], [0.0, 3.0]])  # both pairs alike, the others orthogonal
    assert float(nt_xent(z, 0.5)) == pytest.approx(-math.log(math.e**2 / (math.e**2 + 2)))


@pytest.mark.parametrize("channels", [1, 3])
def test_episodes_tell_images_apart(channels, encoder, make_pool, same_image):
    spec, pool = SampleSpec("image", (channels, 8, 8)), make_pool((channels, 8, 8))
    contrastive = Contrastive(encoder(spec), spec)
    shape = EpisodeShape(6, 2, 3)
    episodes = contrastive.episodes(pool, shape, 12, Rng(0))
    origin = same_image(episodes.support_x.flatten(0, 1), pool).view(12, 6, 2)
    assert (origin[..., 0] >= 0).all()  # the first shot is the image itself
    assert (origin[..., 1] == -1).all()  # further shots and queries are views
    assert (same_image(episodes.query_x.flatten(0, 1), pool) == -1).all()
    assert all(len(images.unique()) == 6 for images in origin[..., 0])
    assert len(origin[:, 0, 0].unique()) > 5
    assert episodes.query_x.shape == (12, 18, channels, 8, 8)


def test_queries_are_views_of_their_own_class(encoder, make_pool):
    spec, pool = SampleSpec("image", (1, 8, 8)), make_pool()
    still = {"flips": False, "rotation": 0.0, "shear": 0.0, "erasing": 0.0, "dropout": 0.0}
    contrastive = Contrastive(encoder(spec), spec, min_scale=0.95, max_scale=1.05, **still)
    episodes = contrastive.episodes(pool, EpisodeShape(5, 1, 2), 10, Rng(0))
    for b in range(10):
        distance = torch.cdist(episodes.query_x[b].flatten(1), episodes.support_x[b].flatten(1))
        nearest = episodes.support_y[b][distance.argmin(1)]
        assert (nearest == episodes.labels()[b]).float().mean() > 0.8


def test_with_protonet_it_is_protoclr(encoder, make_pool):
    """Medina, Devos & Grossglauser 2020 (arXiv 2006.11325), algorithm 1: views to the images that they are of."""
    spec = SampleSpec("image", (1, 8, 8))
    contrastive = Contrastive(encoder(spec), spec)
    episodes = contrastive.episodes(make_pool(), EpisodeShape(5, 1, 3), 2, Rng(0))
    loss, _ = ProtoNet(contrastive.encoder).loss(episodes, Rng(0))
    total = 0.0
    for b in range(2):
        clean, views = (contrastive.encoder(x[b]).detach().numpy() for x in (episodes.support_x, episodes.query_x))
        for view, label in zip(views, episodes.labels()[b].tolist(), strict=True):
            distances = ((clean - view) ** 2).sum(1)
            own = episodes.support_y[b].tolist().index(label)
            total -= math.log(math.exp(-distances[own]) / np.exp(-distances).sum())
    assert float(loss.detach()) == pytest.approx(total / (2 * 5 * 3), rel=1e-5)


def test_a_single_image_has_no_negative(encoder):
    spec = SampleSpec("image", (3, 8, 8))
    contrastive = Contrastive(encoder(spec), spec)
    with pytest.raises(BenchbenchError, match="pretext contrastive: the loss needs negatives: 2 images a batch"):
        contrastive.loss(Batch(torch.rand(1, 3, 8, 8), torch.arange(1)), Rng(3))


@pytest.mark.usefixtures("float64")
def test_loss_is_nt_xent_of_two_views(encoder):
    spec = SampleSpec("image", (3, 8, 8))
    contrastive = Contrastive(encoder(spec), spec, temperature=0.2, projection=5)
    x = torch.rand(4, 3, 8, 8)
    views = contrastive.augment(torch.cat([x, x]), Rng(3))
    loss = contrastive.loss(Batch(x, torch.arange(4)), Rng(3))
    z = contrastive.head(contrastive.encoder(views))
    assert z.shape == (8, 5)
    torch.testing.assert_close(loss, nt_xent(z, 0.2))
    assert not torch.equal(views[:4], views[4:])


def test_crop_areas_out_of_order_are_refused(encoder):
    spec = SampleSpec("image", (1, 8, 8))
    with pytest.raises(BenchbenchError, match="min_scale"):
        Contrastive(encoder(spec), spec, min_scale=1.5)
