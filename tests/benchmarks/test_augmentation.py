"""Two views of each image, against lightly's SimCLR transform over the same distribution; see `ratios`.

What both have: crops, flips, brightness, contrast, saturation, grey. Crops cover 30 to 75 % of an image, where
torchvision never falls back to the middle of it; ours take the colours in one order, theirs in random order.
"""

import random
import time

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from benchbench import Rng
from benchbench_standard.pretexts.augment import Augment
from tests.benchmarks.ratios import compare

pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.benchmark(timer=time.process_time),
]
SCALE, COLOUR, GREY = (0.3, 0.75), 0.4, 0.2
OURS = Augment(*SCALE, flips=True, colour=COLOUR, grey=GREY)


def lightlys():
    module = pytest.importorskip("lightly.transforms.simclr_transform")
    from torchvision.transforms import RandomResizedCrop

    made = module.SimCLRTransform(
        input_size=32, cj_prob=1.0, cj_bright=COLOUR, cj_contrast=COLOUR, cj_sat=COLOUR, cj_hue=0.0,
        random_gray_scale=GREY, gaussian_blur=0.0, hf_prob=0.5, vf_prob=0.5, normalize=None,
    )  # fmt: skip
    for view in made.transforms:
        view.transform.transforms[0] = RandomResizedCrop(32, scale=SCALE)
    return made


def pictures(n: int) -> Tensor:
    """Smooth colours, (n, 3, 32, 32)."""
    coarse = torch.rand(n, 3, 5, 5)
    return torch.nn.functional.interpolate(coarse, size=32, mode="bilinear", align_corners=True).clamp(0, 1)


def numbers(views: Tensor) -> dict[str, np.ndarray]:
    """Of each view: its brightness, its contrast, how far its channels are apart, and left against right."""
    grey = views.mean(1)
    return {
        "brightness": grey.mean((1, 2)).numpy(),
        "contrast": grey.std((1, 2)).numpy(),
        "saturation": (views.amax(1) - views.amin(1)).mean((1, 2)).numpy(),
        "tilt": (grey[:, :, :16].mean((1, 2)) - grey[:, :, 16:].mean((1, 2))).numpy(),
    }


def test_two_views(benchmark):
    from torchvision.transforms.functional import to_pil_image

    transform, rng = lightlys(), Rng("benchmark")
    x = pictures(256)
    images = [to_pil_image(image) for image in x]
    random.seed(0)

    def theirs() -> Tensor:
        return torch.cat([torch.stack(views) for views in zip(*map(transform, images), strict=True)])

    def ours() -> Tensor:
        return OURS(x.repeat(2, 1, 1, 1), rng.child("views"))

    expected = numbers(torch.cat([theirs() for _ in range(3)]))
    found = numbers(torch.cat([OURS(x.repeat(2, 1, 1, 1), rng.child(i)) for i in range(3)]))
    for name, values in found.items():
        assert ks_2samp(values, expected[name]).pvalue > 1e-3, name
    work = "two views of 256 images of 32 px: crop, flips, colours, grey"
    compare(benchmark, work, ours, {"lightly": theirs}, least=10, rounds=3)
