from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Pretext, Rng, SampleSpec

#: Where the second patch lies, seen from the first: (right, down), in reading order.
NEIGHBOURS = ((-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1))


class RelativePatch(Pretext):
    """Which of the eight neighbours of a patch is another one (Doersch, Gupta & Efros 2015, arXiv 1505.05192,
    section 3)?

    Patches of a 3 x 3 grid are enlarged to the encoder's own input shape, encoded apart, and classified together. The
    grid fills the image: with the paper's gap of half a patch a patch is a quarter of a side. Left out are the remedies
    against chromatic aberration and the projection of colours.
    """

    objectives = frozenset({"plain", "task"})
    views = 2

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        gap: Annotated[float, Field(ge=0, le=2)] = 0.5,
        jitter: Annotated[float, Field(ge=0, le=0.5)] = 7 / 96,
    ):
        """Both in sides of a patch: the `gap` between patches, and the `jitter`, by which each is moved at most."""
        super().__init__(encoder, sample)
        self.pitch, self.jitter = 1 + gap, jitter
        #: A patch's side as a part of the image's.
        self.side = 1 / (3 + 2 * gap + 2 * jitter)
        self.classifier = nn.Sequential(
            nn.Linear(2 * encoder.dim, encoder.dim), nn.ReLU(), nn.Linear(encoder.dim, len(NEIGHBOURS))
        )

    def patches(self, x: Tensor, where: Tensor, rng: Rng) -> Tensor:
        """The patches of x (N, C, H, W) at `where` (N, 2), (right, down) of the middle in the grid: (N, C, H, W)."""
        moved = torch.rand(where.shape, generator=rng.on(x.device), device=x.device, dtype=x.dtype) * 2 - 1
        # Coordinates run over [-1, 1]: a side is 2 long.
        centre = 2 * self.side * (self.pitch * where + self.jitter * moved)
        scale = self.side * torch.eye(2, device=x.device, dtype=x.dtype).expand(len(x), 2, 2)
        grid = F.affine_grid(torch.cat([scale, centre.unsqueeze(-1)], -1), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Cross-entropy of a random neighbour for each image: x (N, C, H, W) -> a scalar."""
        which = torch.randint(len(NEIGHBOURS), (len(x),), generator=rng.cpu).to(x.device)
        there = x.new_tensor(NEIGHBOURS)[which]
        pair = torch.cat([self.patches(x, where, rng) for where in (torch.zeros_like(there), there)])
        return F.cross_entropy(self.classifier(torch.cat(encode(pair).chunk(2), 1)), which)
