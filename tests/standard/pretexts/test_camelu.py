"""CAMeLU's episodes: what is mixed with what, in which shares, under which label; and how it is trained."""

import pytest
import torch

from benchbench import BenchbenchError, EpisodeShape, Rng, SampleSpec
from benchbench.components.reference import resolve_component
from benchbench.training.chain import chain
from benchbench_standard.pretexts.camelu import CAMeLU

SPEC = SampleSpec("image", (1, 8, 8))
SHAPE = EpisodeShape(5, 2, 3)


@pytest.fixture
def still(encoder):
    """Episodes whose views are the images themselves, so that what was mixed can be solved for."""

    def make(**settings):
        camelu = CAMeLU(encoder(SPEC), SPEC, **settings)
        camelu.augment = lambda x, rng: x.clone()
        return camelu

    return make


def shares(episodes, pool):
    """The share of each of the pool's images in each query, (B, Q, len(pool)): 64 pixels, 60 random images."""
    images = pool.images(torch.arange(len(pool))).flatten(1).double()
    return torch.linalg.lstsq(images.mT.unsqueeze(0), episodes.query_x.flatten(2).double().mT).solution.mT


@pytest.mark.parametrize("mixing", [0.5, 0.2])
def test_a_query_is_its_class_with_a_smaller_share_of_another_image(mixing, still, make_pool, same_image):
    pool = make_pool()
    episodes = still(mixing=mixing).episodes(pool, SHAPE, 40, Rng(0))
    own = same_image(episodes.support_x.flatten(0, 1), pool).view(40, 5, 2)
    assert (own[..., 0] == own[..., 1]).all()
    assert (own >= 0).all()
    found = shares(episodes, pool)
    largest, which = found.topk(3, -1)
    assert largest[..., 2].abs().max() < 1e-4  # two images and no third
    torch.testing.assert_close(largest[..., :2].sum(-1), torch.ones(40, 15).double(), atol=1e-4, rtol=0)
    of_class = own[..., 0].gather(1, episodes.labels())
    assert torch.equal(which[..., 0], of_class)  # the label is that of the larger share
    lam = largest[..., 1]
    assert (lam - lam[:, :1]).abs().max() < 1e-4  # one lambda a task
    assert lam.min() > 0
    assert lam.max() < mixing
    # Uniform: of 40 draws the mean is within four deviations.
    assert float(lam[:, 0].mean()) == pytest.approx(mixing / 2, abs=4 * mixing / (12 * 40) ** 0.5)
    assert len(lam[:, 0].unique()) == 40
    for task in range(40):
        inside = [*own[task, :, 0].tolist(), *which[task, :, 1].tolist()]
        assert len(set(inside)) == 5 + 15  # every image once


def test_without_mixing_queries_are_their_class(still, make_pool, same_image):
    pool = make_pool()
    episodes = still(mixing=0.0).episodes(pool, SHAPE, 4, Rng(0))
    own = same_image(episodes.support_x.flatten(0, 1), pool).view(4, 5, 2)[..., 0]
    assert torch.equal(same_image(episodes.query_x.flatten(0, 1), pool).view(4, 15), own.gather(1, episodes.labels()))


def test_support_samples_are_views_and_what_is_mixed_in_is_none(encoder, make_pool):
    pool = make_pool()
    camelu = CAMeLU(encoder(SPEC), SPEC)
    seen = []
    augment = camelu.augment
    camelu.augment = lambda x, rng: seen.append(len(x)) or augment(x, rng)
    episodes = camelu.episodes(pool, SHAPE, 2, Rng(0))
    assert seen == [2 * 5 * 5]  # all support samples and queries, not the 2 * 15 others
    assert len(episodes.support_x.flatten(0, 1).flatten(1).unique(dim=0)) == 20


def test_a_pool_that_is_too_small_is_said(encoder, make_pool):
    with pytest.raises(BenchbenchError, match="has 60 samples, too few for 70 different ones"):
        CAMeLU(encoder(SPEC), SPEC).episodes(make_pool(), EpisodeShape(10, 1, 6), 1, Rng(0))


def test_plain_training_of_the_embedding_comes_first():
    caml = resolve_component("meta", "caml")
    first, second = chain("pseudo", resolve_component("pretext", "camelu"), caml)
    assert (first.objective, first.pretext.bare, first.share) == ("plain", "contrastive", 0.5)
    assert (second.objective, second.pretext.bare, second.share) == ("meta", "camelu", 0.5)
    (only,) = chain("pseudo", resolve_component("pretext", "camelu", {"embedding": "encoder"}), caml)
    assert (only.objective, only.share) == ("meta", 1.0)
    own = resolve_component("pretext", "camelu", {"embedding": {"name": "rotation"}})
    assert chain("pseudo", own, caml)[0].pretext.bare == "rotation"


@pytest.mark.parametrize("mixing", [-0.1, 0.6])
def test_shares_that_would_change_the_class_are_refused(mixing):
    with pytest.raises(BenchbenchError, match="mixing"):
        resolve_component("pretext", "camelu", {"mixing": mixing})
