from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, SampleSpec


class R2D2Net(Backbone):
    """The network that R2D2 was published with (Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv 1805.08136, section
    4.1; bertinetto/r2d2): four blocks of 3x3 convolution, batch norm, 2x2 max-pool and leaky ReLU, the last pool with
    stride 1, `dropout` behind the last two. Features are those of both last blocks, at one size: of 32 px 18 numbers a
    channel, 1,152 in the variant of 64 channels (`widths` 64 four times).

    The convolutions have no bias, which the norm would remove."""

    def __init__(
        self,
        sample: SampleSpec,
        *,
        widths: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=4, max_length=4)] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ):
        """`widths` are the blocks' channels, the paper's 96, 192, 384 and 512 where None; `dropout` is 0.4 for CIFAR-FS
        and 0.1 for miniImageNet in the official runs."""
        super().__init__()
        channels, *size = sample.shape
        if min(size) < 16:
            raise BenchbenchError(f"r2d2-net pools an image four times and needs 16 px, got {tuple(size)}")
        widths = widths or [96, 192, 384, 512]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise([channels, *widths]))
        self.norms = nn.ModuleList(map(nn.BatchNorm2d, widths))
        self.dropout = nn.Dropout(dropout)
        self.to(memory_format=torch.channels_last)
        places = (size[0] // 8 - 1) * (size[1] // 8 - 1)
        self.dim = places * (widths[2] + widths[3])

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, dim)."""
        blocks = zip(self.convs, self.norms, (2, 2, 2, 1), strict=True)
        maps = []
        for number, (conv, norm, stride) in enumerate(blocks):
            x = F.leaky_relu(F.max_pool2d(norm(conv(x)), 2, stride), 0.1)
            x = self.dropout(x) if number > 1 else x
            maps.append(x)
        third, fourth = F.max_pool2d(maps[2], 2, 1), maps[3]
        return torch.cat([third.flatten(1), fourth.flatten(1)], 1)
