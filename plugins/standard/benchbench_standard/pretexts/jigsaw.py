from functools import cache
from itertools import permutations as all_permutations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec


def cut(x: Tensor, grid: int) -> Tensor:
    """Patches in reading order: x (N, C, grid * h, grid * w) -> (N, grid^2, C, h, w)."""
    cells = x.unflatten(-1, (grid, x.shape[-1] // grid)).unflatten(-3, (grid, x.shape[-2] // grid))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def join(patches: Tensor, grid: int) -> Tensor:
    """The inverse of `cut`: (N, grid^2, C, h, w) -> (N, C, grid * h, grid * w)."""
    return patches.unflatten(1, (grid, grid)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def shuffle_patches(x: Tensor, permutation: Tensor, grid: int) -> Tensor:
    """Cell j of image i gets its patch permutation[i, j]: x (N, C, H, W), permutation (N, grid^2), sides divisible by
    `grid`. ``permutation.argsort(1)`` undoes it."""
    return join(cut(x, grid)[torch.arange(len(x), device=x.device).unsqueeze(1), permutation], grid)


@cache
def permutation_set(cells: int, size: int) -> Tensor:
    """`size` permutations of `cells` patches, (size, cells): the identity, then greedily the one farthest in Hamming
    distance from its nearest chosen one, ties to the largest summed distance, then to the first in lexical order."""
    every = torch.tensor(list(all_permutations(range(cells))), dtype=torch.uint8)
    chosen = [0]
    nearest = torch.full((len(every),), cells)
    total = torch.zeros_like(nearest)
    while len(chosen) < min(size, len(every)):
        distance = (every != every[chosen[-1]]).sum(1)
        nearest, total = torch.minimum(nearest, distance), total + distance
        score = nearest * (cells * len(every) + 1) + total
        # argmax promises no order among ties, and the set must be the same on every platform.
        chosen.append(int((score == score.max()).nonzero()[0]))
    return every[chosen].long()


class Jigsaw(Pretext):
    """Recover the order of shuffled patches (Noroozi & Favaro 2016, arXiv 1603.09246, section 3).

    An image is cut into 2 x 2 patches, or 3 x 3 from 48 px on; the class is which permutation of the set put them
    together again, at the encoder's own input shape. The plain objective is -log p(s | shuffle(x, permutation s)).

    The set of permutations is `permutation_set`'s, not that of the paper's algorithm 1. Both are greedy in the Hamming
    distance, but the paper begins at random and adds the permutation of the largest average distance to those chosen;
    ours begins at the identity, so that it needs no draw, and adds that of the largest smallest distance. The paper's
    network sees one patch at a time; here the encoder sees the whole shuffled image.
    """

    objectives = frozenset({"plain", "task", "episodes"})
    max_ways = 24

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        permutations: Annotated[int, Field(ge=2, le=1000)] = 24,
        gap: Annotated[float, Field(ge=0, lt=1)] = 0.15,
    ):
        """`permutations` is the size of the set, at most 24 for 2 x 2. `gap` is the part of a cell's side that its
        patch leaves out, at a random place (11 of 75 px in the paper): else edges alone would give the order away."""
        super().__init__(encoder, sample)
        self.gap = gap
        self.grid = 2 if min(sample.shape[-2:]) < 48 else 3
        self.permutations: Tensor
        self.register_buffer("permutations", permutation_set(self.grid**2, permutations).clone(), persistent=False)
        self.max_ways = len(self.permutations)
        self.classifier = nn.Linear(encoder.dim, self.max_ways)

    def shuffled(self, x: Tensor, which: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) with its patches in the order `which` (N,) of the set: (N, C, H, W)."""
        height, width = x.shape[-2:]
        below, right = height % self.grid, width % self.grid
        x = self._jittered(x[..., : height - below, : width - right], rng)
        x = shuffle_patches(x, self.permutations.to(x.device)[which.to(x.device)], self.grid)
        return F.pad(x, (0, right, 0, below), mode="replicate")

    def _jittered(self, x: Tensor, rng: Rng) -> Tensor:
        """Each patch cropped to 1 - gap of its cell at a random place, and enlarged to fill the cell again."""
        if self.gap == 0:
            return x
        patches = cut(x, self.grid)
        cells = patches.flatten(0, 1)
        place = torch.rand(len(cells), 2, generator=rng.on(x.device), device=x.device, dtype=x.dtype)
        scale = (1 - self.gap) * torch.eye(2, device=x.device, dtype=x.dtype).expand(len(cells), 2, 2)
        theta = torch.cat([scale, (self.gap * (2 * place - 1)).unsqueeze(-1)], -1)
        where = F.affine_grid(theta, list(cells.shape), align_corners=False)
        crops = F.grid_sample(cells, where, padding_mode="border", align_corners=False)
        return join(crops.view_as(patches), self.grid)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Cross-entropy of a random permutation for each image: x (N, C, H, W) -> a scalar."""
        which = torch.randint(len(self.permutations), (len(x),), generator=rng.cpu).to(x.device)
        return F.cross_entropy(self.classifier(encode(self.shuffled(x, which, rng))), which)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` distinct permutations in random order; no image stands twice in a task."""
        which = rng.choices(len(self.permutations), shape.ways, count).repeat_interleave(shape.per_class, 1)
        x = self.shuffled(pool.draw(count, shape.samples, rng).flatten(0, 1), which.flatten(), rng)
        return Episodes.from_classes(x.unflatten(0, (count, shape.ways, shape.per_class)), shape)
