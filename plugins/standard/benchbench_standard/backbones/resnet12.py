from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, SampleSpec


class _Block(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv2d(before, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)),
        )
        self.skip = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.leaky_relu(self.convs(x) + self.skip(x), 0.1), 2, ceil_mode=True)


class ResNet12(Backbone):
    """ResNet-12 of few-shot learning (Lee et al. 2019, arXiv 1904.03758: 64-160-320-640), without DropBlock and with
    a global mean, so any size fits. `width` is the first block's; the others keep its proportions."""

    #: 2: channels lie last in memory, which rounds otherwise and takes a tenth less time on CPUs.
    revision = 2
    provides = frozenset({"feature_maps"})

    def __init__(self, sample: SampleSpec, *, width: Annotated[int, Field(ge=2)] = 64):
        super().__init__()
        widths = [width, width * 5 // 2, width * 5, width * 10]
        self.blocks = nn.ModuleList(_Block(a, b) for a, b in zip([sample.shape[0], *widths[:-1]], widths, strict=True))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")
        self.to(memory_format=torch.channels_last)
        self.dim = widths[-1]

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """The output of each block by its stride."""
        maps = {}
        for i, block in enumerate(self.blocks):
            x = block(x)
            maps[2 ** (i + 1)] = x
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, dim)."""
        return self.feature_maps(x)[16].mean((2, 3))
