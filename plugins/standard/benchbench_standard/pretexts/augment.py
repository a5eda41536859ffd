from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Rng


@dataclass(frozen=True)
class Augment:
    """Random views of images, the whole batch at once on its device, parameters drawn for each image.

    In this order: resized crop, flips, rotation and shear as one affine map; colours (3 channels); erasing; pixel
    dropout. Defaults follow ProtoCLR (Medina, Devos & Grossglauser 2020, arXiv 2006.11325, appendix): crop areas of
    0.6 to 1.4 (a crop beyond the image shrinks it), both flips, erasing, dropout 0.3.
    """

    min_scale: float = 0.6
    max_scale: float = 1.4
    flips: bool = True
    rotation: float = 10.0
    shear: float = 0.1
    erasing: float = 0.5
    dropout: float = 0.3
    colour: float = 0.4
    grey: float = 0.2

    @torch.no_grad()
    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> one view of each, (N, C, H, W) in [0, 1]."""
        x = self._moved(x, rng)  # a tensor of its own: what follows changes it in place
        if x.shape[1] == 3:
            self._colour(x, rng)
        if self.erasing or self.dropout:  # draws of the first come before those of the second, whatever they do
            self._erase(x, rng)
        if self.dropout:
            x.masked_fill_(_uniform(x[:, :1], rng, 0, 1) < self.dropout, 0)
        return x

    def _moved(self, x: Tensor, rng: Rng) -> Tensor:
        theta = self.affine(x, rng)
        # Repeated borders, as zeros would be no background where ink is dark.
        where = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, where, padding_mode="border", align_corners=False)

    def affine(self, x: Tensor, rng: Rng) -> Tensor:
        """Maps from a view's coordinates in [-1, 1] to its image's, (N, 2, 3): crop after rotation, shear and flip."""
        each, (height, width) = x[:, 0, 0, 0], x.shape[-2:]
        area = _uniform(each, rng, self.min_scale, self.max_scale)
        ratio = _uniform(each, rng, log(3 / 4), log(4 / 3)).exp()
        sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1)
        # A smaller crop stays inside the image, a larger one keeps the image inside.
        offset = _uniform(sides, rng, -1, 1) * (1 - sides)
        if self.flips:
            sides = sides * torch.where(_uniform(sides, rng, 0, 1) < 0.5, -1, 1)
        angle = _uniform(each, rng, -self.rotation, self.rotation) * (pi / 180)
        slant = _uniform(each, rng, -self.shear, self.shear)
        cos, sin = angle.cos(), angle.sin()
        # Coordinates run over [-1, 1] along both sides: a turn of a non-square image must undo that.
        rows = [cos, (cos * slant - sin) * (height / width), sin * (width / height), sin * slant + cos]
        turn = torch.stack(rows, 1).unflatten(1, (2, 2))
        return torch.cat([turn * sides.unsqueeze(1), offset.unsqueeze(-1)], -1)

    def _colour(self, x: Tensor, rng: Rng) -> None:
        """Brightness, contrast about the mean, saturation about grey, by factors in 1 +- colour; then some grey."""
        one, low, high = x[:, :1, :1, :1], 1 - self.colour, 1 + self.colour
        x.mul_(_uniform(one, rng, low, high)).clamp_(0, 1)
        mean = _luma(x).mean((1, 2, 3), keepdim=True)
        torch.lerp(mean, x, _uniform(one, rng, low, high), out=x).clamp_(0, 1)
        torch.lerp(_luma(x), x, _uniform(one, rng, low, high), out=x).clamp_(0, 1)
        torch.where(_uniform(one, rng, 0, 1) < self.grey, _luma(x), x, out=x)

    def _erase(self, x: Tensor, rng: Rng) -> None:
        """A rectangle of 2 to 33 % of the area set to 0, in some images (Zhong et al. 2017, arXiv 1708.04896)."""
        each = x[:, 0, 0, 0]
        area, ratio = _uniform(each, rng, 0.02, 0.33), _uniform(each, rng, log(0.3), log(1 / 0.3)).exp()
        inside = (_uniform(each, rng, 0, 1) < self.erasing).view(-1, 1, 1, 1)
        for dim, side in ((-2, (area * ratio).sqrt()), (-1, (area / ratio).sqrt())):
            side = side.clamp(max=1)
            start = _uniform(each, rng, 0, 1) * (1 - side)
            centres = (torch.arange(x.shape[dim], device=x.device, dtype=x.dtype) + 0.5) / x.shape[dim]
            along = (centres >= start.unsqueeze(1)) & (centres < (start + side).unsqueeze(1))
            inside = inside & (along[:, None, :, None] if dim == -2 else along[:, None, None, :])
        x.masked_fill_(inside, 0)


def _uniform(like: Tensor, rng: Rng, low: float, high: float) -> Tensor:
    draws = torch.rand(like.shape, generator=rng.on(like.device), device=like.device, dtype=like.dtype)
    return low + (high - low) * draws


def _luma(x: Tensor) -> Tensor:
    """Grey of RGB (ITU-R BT.601): (N, 3, H, W) -> (N, 1, H, W)."""
    red, green, blue = x.split(1, 1)
    return (red * 0.299).add_(green * 0.587).add_(blue * 0.114)
