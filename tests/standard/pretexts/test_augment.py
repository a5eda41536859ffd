import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from benchbench import Rng
from benchbench_standard.pretexts.augment import PRESETS, Augment

STILL, LETTERS = Augment(), PRESETS["letters"]


@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 9, 9), (3, 8, 12)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("augment", PRESETS.values(), ids=PRESETS.keys())
def test_views_keep_shape_type_and_range_and_follow_the_seed(augment, shape, dtype):
    x = torch.rand(32, *shape, dtype=dtype)
    before = torch.random.get_rng_state()
    view = augment(x, Rng(0))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert view.shape == x.shape
    assert view.dtype == dtype
    assert view.min() >= 0
    assert view.max() <= 1 + 1e-6
    assert torch.equal(view, augment(x, Rng(0)))
    assert not torch.equal(view, augment(x, Rng(1)))


def test_each_image_has_its_own_parameters():
    x = torch.rand(1, 3, 16, 16).expand(20, -1, -1, -1)
    view = LETTERS(x, Rng(0))
    assert len(view.flatten(1).unique(dim=0)) == 20


def test_crop_areas_ratios_and_places():
    augment = replace(STILL, min_scale=0.6, max_scale=1.4)
    theta = augment.affine(torch.zeros(4000, 1, 8, 8, dtype=torch.float64), Rng(0))
    sides, offset = theta[:, :, :2].diagonal(dim1=1, dim2=2), theta[:, :, 2]
    area, ratio = sides.prod(1), sides[:, 0] / sides[:, 1]
    assert 0.6 <= area.min() < 0.61
    assert 1.39 < area.max() <= 1.4
    assert 0.75 - 1e-9 <= ratio.min() < 0.77
    assert 1.3 < ratio.max() <= 4 / 3 + 1e-9
    assert (offset.abs() <= (1 - sides).abs() + 1e-9).all()


def test_flips_alone_give_the_four_mirrored_images():
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64).expand(60, -1, -1, -1)
    # An aspect ratio is always drawn: flips are read off the map, whose diagonal they negate.
    signs = replace(STILL, flips=True).affine(x, Rng(0))[:, :, :2].diagonal(dim1=1, dim2=2).sign()
    assert len(signs.unique(dim=0)) == 4
    assert (STILL.affine(x, Rng(0))[:, :, :2].diagonal(dim1=1, dim2=2) > 0).all()


def test_a_turn_keeps_angles_in_images_that_are_not_square():
    theta = replace(STILL, rotation=30.0).affine(torch.zeros(50, 1, 10, 40, dtype=torch.float64), Rng(0))
    upright = STILL.affine(torch.zeros(50, 1, 10, 40, dtype=torch.float64), Rng(0))
    pixels = torch.tensor([40.0, 10.0], dtype=torch.float64)  # a coordinate of 1 is half as many pixels
    sides = upright[:, :, :2].diagonal(dim1=1, dim2=2)
    turn = theta[:, :, :2] / sides.unsqueeze(1) * pixels.unsqueeze(1) / pixels
    torch.testing.assert_close(turn @ turn.mT, torch.eye(2, dtype=torch.float64).expand(50, 2, 2))
    degrees = torch.atan2(turn[:, 1, 0], turn[:, 0, 0]).rad2deg()
    assert degrees.abs().max() <= 30
    assert degrees.std() > 10


def test_dropout_takes_whole_pixels_at_its_rate():
    view = replace(STILL, dropout=0.3)(torch.ones(50, 3, 20, 20), Rng(0))
    gone = view == 0
    assert torch.equal(gone.any(1), gone.all(1))
    assert gone.float().mean() == pytest.approx(0.3, abs=0.01)


def test_erasing_takes_one_rectangle_of_some_images():
    view = replace(STILL, erasing=0.5)(torch.ones(1000, 1, 32, 32), Rng(0))
    gone = (view == 0)[:, 0]
    hit = gone.flatten(1).any(1)
    assert hit.float().mean() == pytest.approx(0.5, abs=0.06)
    rows, columns = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(rows * columns, gone.sum((1, 2)))
    assert gone[hit].float().mean((1, 2)).max() < 0.4


def test_colours_move_only_colour_images():
    grey, colour = torch.rand(30, 1, 8, 8), torch.rand(30, 3, 8, 8)
    augment = replace(STILL, colour=0.4, grey=0.5)
    assert torch.equal(augment(grey, Rng(0)), STILL(grey, Rng(0)))
    view = augment(colour, Rng(0))
    is_grey = (view.std(1).flatten(1) < 1e-6).all(1)
    assert 5 < int(is_grey.sum()) < 25


def test_colours_by_hand():
    """Each step written out for one image after the other, from the same draws."""
    x = torch.rand(6, 3, 5, 7, dtype=torch.float64)
    augment, expected = replace(STILL, colour=0.4, grey=0.5), []
    found, rng = x.clone(), Rng("draws").on("cpu")
    augment._colour(found, Rng("draws"))
    draws = [torch.rand(6, dtype=torch.float64, generator=rng) for _ in range(4)]

    def grey(image):
        return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]

    for image, bright, contrast, saturation, turn in zip(x, *draws, strict=True):
        view = (image * (0.6 + 0.8 * bright)).clamp(0, 1)
        view = (grey(view).mean() + (view - grey(view).mean()) * (0.6 + 0.8 * contrast)).clamp(0, 1)
        view = (grey(view) + (view - grey(view)) * (0.6 + 0.8 * saturation)).clamp(0, 1)
        expected.append(grey(view).expand(3, -1, -1) if turn < 0.5 else view)
    torch.testing.assert_close(found, torch.stack(expected))


def test_what_is_off_changes_nothing_of_what_is_on():
    x = torch.rand(40, 1, 16, 16, dtype=torch.float64)
    erased = replace(STILL, erasing=0.5)(x, Rng(0))
    both = replace(STILL, erasing=0.5, dropout=0.3)(x, Rng(0))
    dropped = replace(STILL, dropout=0.3)(x, Rng(0))
    assert torch.equal(both, torch.where(dropped == 0, 0, erased))


def test_images_stay_as_they_are():
    x = torch.rand(8, 3, 9, 9)
    before = x.clone()
    LETTERS(x, Rng(0))
    assert torch.equal(x, before)


def test_crops_inside_the_image_are_distributed_as_torchvisions():
    """`RandomResizedCrop.get_params` written out without its rounding to pixels: tries until one fits, ten at most."""
    draw = random.Random(0)

    def crop(height, width):
        for _ in range(10):
            area = height * width * draw.uniform(0.6, 1.4)
            ratio = math.exp(draw.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if w <= width and h <= height:
                return w / width, h / height
        return 1.0, 1.0

    expected = np.array([crop(20, 25) for _ in range(4000)])
    augment = replace(STILL, min_scale=0.6, max_scale=1.4, inside=True)
    theta = augment.affine(torch.zeros(4000, 1, 20, 25, dtype=torch.float64), Rng(0))
    sides, offset = theta[:, :, :2].diagonal(dim1=1, dim2=2).numpy(), theta[:, :, 2]
    assert sides.max() <= 1
    assert (offset.abs() <= 1 - torch.from_numpy(sides) + 1e-12).all()
    for found, wanted in zip([*sides.T, sides.prod(1)], [*expected.T, expected.prod(1)], strict=True):
        assert ks_2samp(found, wanted).pvalue > 0.001


def test_horizontal_flips_leave_up_and_down():
    x = torch.zeros(200, 1, 6, 6, dtype=torch.float64)
    signs = replace(STILL, flips="horizontal").affine(x, Rng(0))[:, :, :2].diagonal(dim1=1, dim2=2).sign()
    assert (signs[:, 1] == 1).all()
    assert 70 < int((signs[:, 0] == -1).sum()) < 130


def test_rescaled_dropout_keeps_the_mean_as_torchs_does():
    x = torch.full((50, 1, 20, 20), 0.5, dtype=torch.float64)
    view = replace(STILL, dropout=0.3, rescale=True)(x, Rng(0))
    torch.testing.assert_close(view[view > 0].unique(), torch.nn.functional.dropout(x, 0.3).max().unsqueeze(0))
    assert float(view.mean()) == pytest.approx(0.5, abs=0.01)
