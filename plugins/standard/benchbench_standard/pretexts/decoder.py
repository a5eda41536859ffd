from math import ceil

from torch import Tensor, nn


class Decoder(nn.Module):
    """Features -> images: a linear map to an eighth of the size, then three transposed convolutions that double it,
    with ReLU between (DCGAN's generator, Radford et al. 2016, without its norms); what is too much is cut off."""

    def __init__(self, dim: int, channels: int, size: tuple[int, int]):
        super().__init__()
        self.size = size
        self.start = 64, ceil(size[0] / 8), ceil(size[1] / 8)
        self.grow = nn.Linear(dim, 64 * self.start[1] * self.start[2])
        steps = [nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((64, 32), (32, 16), (16, channels))]
        self.layers = nn.Sequential(*(layer for step in steps for layer in (nn.ReLU(), step)))

    def forward(self, z: Tensor) -> Tensor:
        """z (N, dim) -> (N, channels, *size)."""
        x = self.layers(self.grow(z).unflatten(1, self.start))
        return x[..., : self.size[0], : self.size[1]]
