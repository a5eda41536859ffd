from dataclasses import dataclass
from math import log, pi
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Rng


@dataclass(frozen=True)
class Augment:
    """Random views of images, the whole batch at once on its device, parameters drawn for each image.

    In this order: resized crop, flips, rotation and shear as one affine map; colours (3 channels); erasing; pixel
    dropout. The last two both set pixels to 0, so that their order is of no consequence. Defaults do next to nothing:
    `PRESETS` has published views.

    A crop larger than the image shrinks it, with its border repeated. With `inside` it is drawn again, ten times at
    most and then is the whole image, as torchvision's RandomResizedCrop does. With `rescale` the pixels that dropout
    leaves are divided by 1 - dropout, as torch's dropout does, and views reach up to that.
    """

    min_scale: float = 1.0
    max_scale: float = 1.0
    flips: bool | Literal["horizontal"] = False
    rotation: float = 0.0
    shear: float = 0.0
    erasing: float = 0.0
    dropout: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    inside: bool = False
    rescale: bool = False

    @torch.no_grad()
    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> one view of each, (N, C, H, W) in [0, 1] unless rescaled."""
        x = self._moved(x, rng)  # a tensor of its own: what follows changes it in place
        if x.shape[1] == 3:
            self._colour(x, rng)
        if self.erasing or self.dropout:  # draws of the first come before those of the second, whatever they do
            self._erase(x, rng)
        if self.dropout:
            x.masked_fill_(_uniform(x[:, :1], rng, 0, 1) < self.dropout, 0)
            if self.rescale and self.dropout < 1:
                x.div_(1 - self.dropout)
        return x

    def _moved(self, x: Tensor, rng: Rng) -> Tensor:
        theta = self.affine(x, rng)
        # Repeated borders, as zeros would be no background where ink is dark.
        where = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, where, padding_mode="border", align_corners=False)

    def affine(self, x: Tensor, rng: Rng) -> Tensor:
        """Maps from a view's coordinates in [-1, 1] to its image's, (N, 2, 3): crop after rotation, shear and flip."""
        each, (height, width) = x[:, 0, 0, 0], x.shape[-2:]
        sides = self._sides(each, rng, height / width)
        # A smaller crop stays inside the image, a larger one keeps the image inside.
        offset = _uniform(sides, rng, -1, 1) * (1 - sides)
        if self.flips:
            mirrored = _uniform(sides, rng, 0, 1) < 0.5
            if self.flips == "horizontal":
                mirrored[:, 1] = False
            sides = sides * torch.where(mirrored, -1, 1)
        angle = _uniform(each, rng, -self.rotation, self.rotation) * (pi / 180)
        slant = _uniform(each, rng, -self.shear, self.shear)
        cos, sin = angle.cos(), angle.sin()
        # Coordinates run over [-1, 1] along both sides: a turn of a non-square image must undo that.
        rows = [cos, (cos * slant - sin) * (height / width), sin * (width / height), sin * slant + cos]
        turn = torch.stack(rows, 1).unflatten(1, (2, 2))
        return torch.cat([turn * sides.unsqueeze(1), offset.unsqueeze(-1)], -1)

    def _sides(self, each: Tensor, rng: Rng, shape: float) -> Tensor:
        """Width and height of a crop as parts of the image's, (N, 2); `shape` is the image's height by its width."""
        tries = each.unsqueeze(1).expand(-1, 10 if self.inside else 1)
        area = _uniform(tries, rng, self.min_scale, self.max_scale)
        ratio = _uniform(tries, rng, log(3 / 4), log(4 / 3)).exp()
        if not self.inside:
            return torch.cat([(area * ratio).sqrt(), (area / ratio).sqrt()], 1)
        ratio = ratio * shape  # of pixels, as torchvision draws it
        sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], -1)
        fits = (sides <= 1).all(-1)
        first = (fits.cumsum(1) == 0).sum(1).clamp(max=9)  # how many came before it
        chosen = sides[torch.arange(len(sides), device=sides.device), first]
        return torch.where(fits.any(1, keepdim=True), chosen, 1)

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


#: Views by name. `protoclr`: the official code's for Omniglot (Medina, Devos & Grossglauser 2020, arXiv 2006.11325;
#: indy-lab/ProtoTransfer), but for `rescale`, which is on there: samples of an episode are in [0, 1] here. Images in
#: colour have the jitter and grey of its views for mini-ImageNet too. `simclr`: Chen et al. 2020 (arXiv 2002.05709),
#: appendix B.9, for small photographs: strength 0.5, no blur. In both the jitter is of every image, where published in
#: 80 % of them, and leaves the hue. `letters`: our own, as letters are other letters in a mirror; chosen on the
#: validation scripts of glyphs, see the quick matrix.
PRESETS = {
    "protoclr": Augment(0.6, 1.4, True, 0.0, 0.0, 0.5, 0.3, 0.4, 0.2, inside=True),
    "simclr": Augment(0.08, 1.0, "horizontal", 0.0, 0.0, 0.0, 0.0, 0.4, 0.2, inside=True),
    "letters": Augment(0.6, 1.4, False, 20.0, 0.2, 0.5, 0.3, 0.4, 0.2),
}


def _uniform(like: Tensor, rng: Rng, low: float, high: float) -> Tensor:
    draws = torch.rand(like.shape, generator=rng.on(like.device), device=like.device, dtype=like.dtype)
    return low + (high - low) * draws


def _luma(x: Tensor) -> Tensor:
    """Grey of RGB (ITU-R BT.601): (N, 3, H, W) -> (N, 1, H, W)."""
    red, green, blue = x.split(1, 1)
    return (red * 0.299).add_(green * 0.587).add_(blue * 0.114)
