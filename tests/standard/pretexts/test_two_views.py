"""The losses between two views against NumPy transcriptions of the papers' equations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchbench import Batch, BenchbenchError, Progress, Rng, SampleSpec
from benchbench_standard.pretexts.barlow_twins import BarlowTwins, barlow
from benchbench_standard.pretexts.byol import BYOL
from benchbench_standard.pretexts.contrastive import Contrastive
from benchbench_standard.pretexts.swav import SwAV, sinkhorn
from benchbench_standard.pretexts.vicreg import VICReg, redundancy, spread

SPEC = SampleSpec("image", (1, 8, 8))
pytestmark = pytest.mark.usefixtures("float64")


def draw(n=7, d=4, seed=0):
    return torch.randn(n, d, generator=Rng(seed).cpu)


def test_vicreg_terms_against_numpy():
    z = draw()
    a = z.numpy()
    expected = np.mean([max(0.0, 1 - math.sqrt(a[:, j].var(ddof=1) + 1e-4)) for j in range(4)])
    assert float(spread(z)) == pytest.approx(expected)
    centred = a - a.mean(0)
    c = centred.T @ centred / 6
    assert float(redundancy(z)) == pytest.approx(sum(c[i, j] ** 2 for i in range(4) for j in range(4) if i != j) / 4)


def test_vicreg_by_hand():
    apart = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])  # variances 8/3, no covariance
    assert float(spread(apart)) == 0
    assert float(redundancy(apart)) == pytest.approx(0)
    together = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # every entry of the covariance is 2
    assert float(redundancy(together)) == pytest.approx(4.0)
    assert float(spread(torch.ones(3, 2))) == pytest.approx(1 - 0.01)


def test_barlow_against_numpy():
    a, b = draw(seed=1), draw(seed=2)
    first, second = ((z.numpy() - z.numpy().mean(0)) / np.sqrt(z.numpy().var(0) + 1e-5) for z in (a, b))
    c = first.T @ second / 7
    expected = sum((1 - c[i, i]) ** 2 for i in range(4))
    expected += 0.3 * sum(c[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
    assert float(barlow(a, b, 0.3)) == pytest.approx(expected)


def test_barlow_by_hand():
    z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(barlow(z, z, 1.0)) == pytest.approx(0, abs=1e-8)
    assert float(barlow(z, -z, 1.0)) == pytest.approx(8, abs=1e-3)  # both correlations are -1
    assert float(barlow(z, z.flip(1), 0.5)) == pytest.approx(2 + 0.5 * 2, abs=1e-3)


@pytest.mark.parametrize("kind", [VICReg, BarlowTwins])
def test_losses_of_two_views_against_numpy(kind, encoder):
    """The whole loss at the papers' weights, 25, 25 and 1 and lambda .0051, from the projections of the two views."""
    pretext = kind(encoder(SPEC), SPEC, projection=4)
    x = torch.rand(7, 1, 8, 8)
    loss = pretext.loss(Batch(x, torch.arange(7)), Rng(3))
    project = pretext.expand if kind is VICReg else pretext.project
    views = pretext.augment(torch.cat([x, x]), Rng(3))
    a, b = (project(pretext.encoder(view)).detach().numpy() for view in (views[:7], views[7:]))
    off = ~np.eye(4, dtype=bool)
    if kind is VICReg:
        expected = 25 * ((a - b) ** 2).mean()
        for z in (a, b):
            expected += 25 / 2 * np.maximum(0, 1 - np.sqrt(z.var(0, ddof=1) + 1e-4)).mean()
            expected += (np.cov(z.T)[off] ** 2).sum() / 4
    else:
        first, second = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b))
        c = first.T @ second / 7
        expected = ((1 - np.diag(c)) ** 2).sum() + 0.0051 * (c[off] ** 2).sum()
    assert float(loss.detach()) == pytest.approx(expected)
    loss.backward()
    assert all(p.grad is not None for p in pretext.parameters())


def test_codes_are_balanced():
    scores = torch.nn.functional.normalize(draw(60, 8), dim=1)
    codes = sinkhorn(scores, 0.5, iterations=100)
    torch.testing.assert_close(codes.sum(1), torch.ones(60))
    torch.testing.assert_close(codes.sum(0), torch.full((8,), 60 / 8))
    # The unique balanced matrix of the form diag(u) exp(scores / epsilon) diag(v): its log is the scores' up to those.
    rest = codes.log() - scores / 0.5
    torch.testing.assert_close(rest - rest[:1] - rest[:, :1] + rest[0, 0], torch.zeros(60, 8), atol=1e-9, rtol=0)
    assert float((sinkhorn(scores, 0.5).sum(1) - 1).abs().max()) < 1e-12


def test_swav_swaps_codes(encoder):
    swav = SwAV(encoder(SPEC), SPEC, prototypes=5, projection=3).eval()
    x = torch.rand(6, 1, 8, 8)
    z = swav.project(swav.encoder(swav.augment(torch.cat([x, x]), Rng(3)))).detach().numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    c = swav.prototypes.weight.detach().numpy()
    scores = z @ (c / np.linalg.norm(c, axis=1, keepdims=True)).T
    codes = []
    for part in (scores[:6], scores[6:]):
        q = np.exp(part / 0.05)
        for _ in range(3):
            q /= q.sum(0)
            q /= q.sum(1, keepdims=True)
        codes.append(q)
    p = np.exp(scores / 0.1)
    p = np.log(p / p.sum(1, keepdims=True))
    expected = -((codes[1] * p[:6]).sum(1) + (codes[0] * p[6:]).sum(1)).mean() / 2
    loss = swav.loss(Batch(x, torch.arange(6)), Rng(3))
    assert float(loss.detach()) == pytest.approx(expected)
    loss.backward()
    assert float(swav.prototypes.weight.grad.abs().sum()) > 0


def test_byol_loss_against_numpy(encoder):
    byol = BYOL(encoder(SPEC), SPEC, projection=3, hidden=5).eval()
    for p in byol.target.parameters():
        p.data.normal_(generator=Rng(9).cpu)
    x = torch.rand(4, 1, 8, 8)
    views = byol.augment(torch.cat([x, x]), Rng(3))
    online = byol.predict(byol.project(byol.encoder(views))).detach().numpy()
    target = byol.target[1](byol.target[0](views)).numpy()
    total = 0.0
    for i in range(8):
        q, z = online[i], target[(i + 4) % 8]
        total += np.sum((q / np.linalg.norm(q) - z / np.linalg.norm(z)) ** 2)
    loss = byol.loss(Batch(x, torch.arange(4)), Rng(3))
    assert float(loss.detach()) == pytest.approx(total / 8)
    loss.backward()
    assert all(p.grad is None for p in byol.target.parameters())
    assert all(p.grad is not None for p in byol.encoder.parameters())


def test_the_target_is_a_moving_average(encoder):
    byol = BYOL(encoder(SPEC), SPEC, tau=0.9)
    before = byol.encoder.layer.weight.detach().clone()
    assert torch.equal(byol.target[0].layer.weight, before)
    with torch.no_grad():
        byol.encoder.layer.weight.add_(1.0)
    byol.after_step(Progress(5, 10, 0))  # half way the cosine is 0: tau is 1 - .1 / 2
    torch.testing.assert_close(byol.target[0].layer.weight, before + 0.05)
    byol.after_step(Progress(10, 10, 0))
    torch.testing.assert_close(byol.target[0].layer.weight, before + 0.05)
    assert {id(p) for p in byol.target.parameters()}.isdisjoint(id(p) for p in byol.encoder.parameters())
    assert any("target" in name for name in byol.state_dict()), "a resumed training goes on with its target"


@pytest.mark.parametrize("kind", [VICReg, BarlowTwins, BYOL, SwAV])
def test_training_brings_views_of_an_image_together(kind, encoder):
    """With an encoder that can, views end up nearer to their own image's other view than to other images' views."""
    torch.manual_seed(0)
    spec, still = SampleSpec("image", (1, 8, 8)), {"erasing": 0.0, "flips": False, "dropout": 0.1}
    pretext = kind(encoder(spec, width=16), spec, min_scale=0.8, max_scale=1.2, **still)
    x = torch.rand(32, 1, 8, 8, generator=Rng(1).cpu).round()
    optimiser = torch.optim.Adam([p for g in pretext.parameter_groups() for p in g["params"]], 1e-2)

    def retrieved():
        a, b = nn.functional.normalize(pretext.encoder(pretext.augment(x.repeat(2, 1, 1, 1), Rng(5))), dim=1).chunk(2)
        return float(((a @ b.T).argmax(1) == torch.arange(32)).double().mean())

    before = retrieved()
    for step in range(40):
        optimiser.zero_grad()
        pretext.loss(Batch(x, torch.arange(32)), Rng(step)).backward()
        optimiser.step()
        pretext.after_step(Progress(step + 1, 40, 0))
    assert retrieved() > before + 0.05


def test_crop_areas_out_of_order_are_refused(encoder):
    with pytest.raises(BenchbenchError, match=r"min_scale 1.5 is above max_scale 1.4"):
        VICReg(encoder(SPEC), SPEC, min_scale=1.5)


@pytest.mark.parametrize("kind", [Contrastive, VICReg, BarlowTwins, BYOL, SwAV])
def test_a_batch_of_one_sample_is_refused(kind, encoder):
    pretext = kind(encoder(SPEC), SPEC)
    with pytest.raises(BenchbenchError, match=f"pretext {kind.name}: .* needs 2 samples or more, got 1"):
        pretext.loss(Batch(torch.rand(1, 1, 8, 8), torch.arange(1)), Rng(0))


@pytest.mark.parametrize(("kind", "passes"), [(VICReg, 2), (BarlowTwins, 2), (BYOL, 2), (SwAV, 1), (Contrastive, 1)])
def test_views_meet_in_a_batch_norm_where_they_do_in_the_official_code(kind, passes, encoder):
    pretext, x, sizes = kind(encoder(SPEC), SPEC), torch.rand(6, 1, 8, 8), []

    def encode(views):
        sizes.append(len(views))
        return pretext.encoder(views)

    pretext.task_loss(encode, x, Rng(0))
    assert sizes == [12 // passes] * passes
