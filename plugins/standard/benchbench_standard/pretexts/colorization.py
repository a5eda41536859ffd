from functools import cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Encode, Pool, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.decoder import Decoder

#: Side of a bin of colours, in units of CIELAB's a and b.
BIN = 10
#: How many pixels of a side share one target, as in the paper.
COARSER = 4


def lab(x: Tensor) -> Tensor:
    """CIELAB (D65) of sRGB in [0, 1]: (N, 3, H, W) -> L in [0, 100], a and b, (N, 3, H, W)."""
    linear = torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    to_xyz = x.new_tensor([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175]])
    to_xyz = torch.cat([to_xyz, x.new_tensor([[0.0193339, 0.119192, 0.9503041]])])
    t = torch.einsum("ij,njhw->nihw", to_xyz / to_xyz.sum(1, keepdim=True), linear)  # over the white point
    f = torch.where(t > (6 / 29) ** 3, t.clamp(min=1e-6) ** (1 / 3), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


@cache
def bins() -> Tensor:
    """The bins that colours fall into, (Q, 2): their centres in a and b, divided by `BIN`; int64."""
    levels = torch.linspace(0, 1, 52, dtype=torch.float64)
    cube = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 1, -1)
    return (lab(cube)[0, 1:, 0].T / BIN).round().long().unique(dim=0)


class Colorization(Pretext):
    """Predict the colours of an image from its lightness (Zhang, Isola & Efros 2016, arXiv 1603.08511, eq. 2-4): for
    each pixel of a four times smaller image, which bin of (a, b) it falls into, rare bins weighing more.

    The encoder sees lightness in all three channels, and a decoder sees its features alone. A pixel's target is its own
    bin, not the five nearest, and the bins' frequencies, from up to 2,000 images, are not smoothed.
    """

    objectives = frozenset({"plain", "task"})
    target_weights: Tensor

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, uniform: Annotated[float, Field(gt=0, le=1)] = 0.5):
        """`uniform` is the paper's lambda: the part of the uniform distribution in what weights are reciprocal to."""
        super().__init__(encoder, sample)
        self.uniform = uniform
        self.decoder = Decoder(encoder.dim, len(bins()), tuple(side // COARSER for side in sample.shape[1:]))  # type: ignore[arg-type]
        self.register_buffer("target_weights", torch.ones(len(bins())))
        low, high = bins().amin(0), bins().amax(0)
        places = torch.cartesian_prod(*(torch.arange(int(a), int(b) + 1) for a, b in zip(low, high, strict=True)))
        nearest = torch.cdist(places.double(), bins().double()).argmin(1)
        #: Bin of every square of the plane: (rows of a, columns of b).
        self.table = nearest.view(*(high - low + 1).tolist())

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """Grey images have no colour."""
        return None if sample.shape[0] == 3 else f"needs images of 3 channels, not {sample.shape[0]}"

    def targets(self, x: Tensor) -> Tensor:
        """x (N, 3, H, W) -> bins (N, H // 4, W // 4), int64."""
        ab = lab(F.avg_pool2d(x, COARSER))[:, 1:] / BIN
        place = ab.round().long().cpu() - bins().amin(0).view(1, 2, 1, 1)
        rows, columns = (place[:, i].clamp(0, side - 1) for i, side in enumerate(self.table.shape))
        return self.table[rows, columns].to(x.device)

    def prepare(self, pool: Pool, embed: Encode, rng: Rng) -> None:
        """Weights of the bins, eq. 4: 1 / ((1 - lambda) p + lambda / Q), with mean 1 over the pixels."""
        index = rng.choices(len(pool), min(len(pool), 2000))[0]
        counts = torch.zeros(len(bins()))
        for part in index.split(100):
            counts += self.targets(pool.samples(part)).flatten().bincount(minlength=len(bins())).cpu()
        p = counts / counts.sum()
        weights = 1 / ((1 - self.uniform) * p + self.uniform / len(p))
        self.target_weights = (weights / (p * weights).sum()).to(self.target_weights)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """The weighted cross-entropy of the pixels: x (N, 3, H, W) -> a scalar."""
        target = self.targets(x)
        lightness = (lab(x)[:, :1] / 100).clamp(0, 1).expand(-1, 3, -1, -1)
        losses = F.cross_entropy(self.decoder(encode(lightness)), target, reduction="none")
        return (self.target_weights[target] * losses).mean()
