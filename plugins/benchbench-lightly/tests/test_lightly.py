"""lightly's losses hold the contract of pretexts, and are what the papers' equations say."""

import pytest
import torch
from benchbench_lightly import DCL, DCLW, MMCR, FroSSL, SimSiam, Views
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Rng, SampleSpec
from benchbench.testing import conformance

SAMPLE = SampleSpec("image", (1, 8, 8))

test_dcl_conforms = conformance(DCL)
test_dclw_conforms = conformance(DCLW)
test_frossl_conforms = conformance(FroSSL)
test_mmcr_conforms = conformance(MMCR)
test_simsiam_conforms = conformance(SimSiam)


class Flat(Backbone):
    """Pixels. Source: own."""

    dim = 64

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def features() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.randn(5, 64, generator=g), torch.randn(5, 64, generator=g)


def headless(pretext: Views) -> Views:
    pretext.head = nn.Identity()
    return pretext


def test_dcl_is_equation_6() -> None:
    a, b = (F.normalize(x, dim=1) for x in features())
    expected = []
    for one, two in ((a, b), (b, a)):
        for i in range(5):
            others = [k for k in range(5) if k != i]
            negatives = torch.cat([one[others] @ one[i], two[others] @ one[i]]) / 0.1
            expected.append(-(one[i] @ two[i]) / 0.1 + negatives.exp().sum().log())
    assert torch.allclose(headless(DCL(Flat(), SAMPLE)).between(a, b), torch.stack(expected).mean(), atol=1e-5)


def test_frossl_of_white_equal_views_is_the_bound() -> None:
    # Four orthogonal columns of eight samples: the covariance is the identity over 4, of squared norm 1 / 4.
    z = torch.linalg.qr(torch.randn(8, 4, generator=torch.Generator().manual_seed(2)))[0]
    found = headless(FroSSL(Flat(), SAMPLE)).between(z, z)
    assert torch.allclose(found, 2 * torch.tensor(0.25).log(), atol=1e-5)


def test_mmcr_of_orthogonal_images_is_their_count() -> None:
    # Equal views: centroids are the images, orthonormal, with nuclear norm N; each image's two views have sqrt(2).
    z = torch.eye(5, 64)
    found = headless(MMCR(Flat(), SAMPLE, compression=0.1)).between(z, z)
    assert found.item() == pytest.approx(-5 + 0.1 * 2**0.5, abs=1e-4)


def test_simsiam_stops_the_target_gradient() -> None:
    torch.manual_seed(0)
    pretext = SimSiam(Flat(), SAMPLE)
    a, b = (x.requires_grad_() for x in features())
    pretext.predict = nn.Identity()
    pretext.head = nn.Identity()
    pretext.between(a, b).backward()
    cosine = F.cosine_similarity(features()[0].requires_grad_(), features()[1])
    assert cosine.mean().item() == pytest.approx(-pretext.between(a, b).item(), abs=1e-6)
    only_a = features()[0].requires_grad_()
    (-F.cosine_similarity(only_a, features()[1]).mean() / 2).backward()
    assert torch.allclose(a.grad, only_a.grad, atol=1e-7)


def test_views_without_change_are_the_image_and_flips_are_mirrors() -> None:
    x = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    still = DCL(Flat(), SAMPLE, min_scale=1.0, jitter=0.0, flips=False)
    assert torch.allclose(still.augment(x, Rng(0)), x, atol=1e-5)
    flipped = DCL(Flat(), SAMPLE, min_scale=1.0, jitter=0.0).augment(x, Rng(0))
    same = [torch.allclose(f, i, atol=1e-5) for f, i in zip(flipped, x, strict=True)]
    mirrored = [torch.allclose(f, i.flip(-1), atol=1e-5) for f, i in zip(flipped, x, strict=True)]
    assert all(s != m for s, m in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)


def test_one_image_is_refused() -> None:
    with pytest.raises(BenchbenchError, match="at least 2"):
        DCL(Flat(), SAMPLE).task_loss(Flat(), torch.rand(1, 1, 8, 8), Rng(0))
