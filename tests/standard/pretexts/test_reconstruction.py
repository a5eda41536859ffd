"""Pretexts that predict pixels or colours from features: autoencoder, colorization, PCA."""

import numpy as np
import pytest
import torch

from benchbench import Batch, BenchbenchError, Rng, SampleSpec
from benchbench_standard.backbones.linear import Linear
from benchbench_standard.pretexts.autoencoder import Autoencoder
from benchbench_standard.pretexts.colorization import Colorization, bins, lab
from benchbench_standard.pretexts.decoder import Decoder
from benchbench_standard.pretexts.pca import PCA

GREY, COLOUR = SampleSpec("image", (1, 8, 8)), SampleSpec("image", (3, 8, 8))


@pytest.mark.parametrize("size", [(28, 28), (84, 84), (5, 17)])
def test_a_decoder_fits_every_size(size):
    assert Decoder(6, 3, size)(torch.rand(2, 6)).shape == (2, 3, *size)


@pytest.mark.usefixtures("float64")
def test_autoencoder_is_the_mean_squared_error(encoder):
    pretext = Autoencoder(encoder(COLOUR), COLOUR)
    x = torch.rand(5, 3, 8, 8)
    error = (pretext.decoder(pretext.encoder(x)) - x).detach().numpy()
    assert float(pretext.loss(Batch(x, torch.arange(5)), Rng(0)).detach()) == pytest.approx(
        (error**2).sum() / (5 * 3 * 64)
    )


@pytest.mark.usefixtures("float64")
def test_lab_of_known_colours():
    """Bruce Lindbloom's values for sRGB's primaries under D65."""
    known = {
        (1.0, 1.0, 1.0): (100.0, 0.0, 0.0),
        (0.0, 0.0, 0.0): (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0): (53.24, 80.09, 67.20),
        (0.0, 1.0, 0.0): (87.73, -86.18, 83.18),
        (0.0, 0.0, 1.0): (32.30, 79.19, -107.86),
    }
    x = torch.tensor(list(known)).view(-1, 3, 1, 1)
    torch.testing.assert_close(lab(x)[..., 0, 0], torch.tensor(list(known.values())), atol=0.02, rtol=0)


def test_bins_of_colours(encoder):
    assert 250 < len(bins()) < 320  # 313 in the paper, whose bins outside the gamut are few
    pretext = Colorization(encoder(COLOUR), COLOUR)
    x = torch.zeros(2, 3, 8, 8)
    x[0, 0] = 1.0  # red: (a, b) = (80.09, 67.20)
    x[1, :, :4] = 1.0  # white above, black below: no colour
    found = bins()[pretext.targets(x)]
    assert found.shape == (2, 2, 2, 2)
    assert (found[0] == torch.tensor([8, 7])).all()
    assert (found[1] == 0).all()


def test_rare_colours_weigh_more(encoder, make_pool):
    pool = make_pool((3, 8, 8))
    pretext = Colorization(encoder(COLOUR), COLOUR, uniform=0.25)
    pretext.prepare(pool, pretext.encoder, Rng(0))
    counts = np.bincount(pretext.targets(pool.images(torch.arange(60))).flatten().numpy(), minlength=len(bins()))
    p = counts / counts.sum()
    weights = 1 / (0.75 * p + 0.25 / len(p))
    weights /= (p * weights).sum()
    np.testing.assert_allclose(pretext.target_weights.numpy(), weights, rtol=1e-5)


def test_colorization_sees_no_colour_and_weighs_each_pixel(encoder, make_pool):
    pretext = Colorization(encoder(COLOUR), COLOUR)
    pretext.prepare(make_pool((3, 8, 8)), pretext.encoder, Rng(0))
    x = torch.rand(4, 3, 8, 8, generator=Rng(1).cpu)
    seen = []

    def watch(images):
        seen.append(images)
        return pretext.encoder(images)

    loss = pretext.task_loss(watch, x, Rng(0))
    torch.testing.assert_close(seen[0], (lab(x)[:, :1] / 100).expand(-1, 3, -1, -1))
    log_p = pretext.decoder(pretext.encoder(seen[0])).log_softmax(1).detach().numpy()
    target, weights = pretext.targets(x).numpy(), pretext.target_weights.numpy()
    expected = np.mean(
        [
            -weights[target[n, i, j]] * log_p[n, target[n, i, j], i, j]
            for n in range(4)
            for i in range(2)
            for j in range(2)
        ]
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_grey_images_have_no_colour():
    assert Colorization.misfit(GREY) == "needs images of 3 channels, not 1"
    assert Colorization.misfit(COLOUR) is None


@pytest.mark.usefixtures("float64")
def test_pca_against_a_singular_value_decomposition(make_pool):
    pool, encoder = make_pool(), Linear(GREY, width=5)
    pretext = PCA(encoder, GREY)
    pretext.prepare(pool, encoder, Rng(0))
    x = pool.images(torch.arange(60))
    centred = x.flatten(1).numpy() - x.flatten(1).numpy().mean(0)
    u, s, v = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :5] * s[:5]
    np.testing.assert_allclose(encoder(x).detach().abs().numpy(), np.abs(expected), atol=1e-8)  # the signs are free
    rest = centred - expected @ v[:5]
    loss = pretext.loss(Batch(x, torch.arange(60)), Rng(0))
    assert float(loss) == pytest.approx((rest**2).mean())
    loss.backward()
    assert float(encoder.map.weight.grad.norm()) < 1e-8, "the best linear autoencoder is where its gradient vanishes"


def test_more_components_than_images(make_pool):
    encoder = Linear(GREY, width=61)
    with pytest.raises(BenchbenchError, match="60 images of 64 values have fewer than 61 components"):
        PCA(encoder, GREY).prepare(make_pool(), encoder, Rng(0))
