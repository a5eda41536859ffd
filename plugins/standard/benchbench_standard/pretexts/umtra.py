from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from benchbench import Backbone, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec


class UMTRA(Pretext):
    """Tasks of random images, each a class of its own, whose query is an augmented copy (Khodadadeh, Boloni & Shah
    2019, arXiv 1811.11819, algorithm 1), with the paper's augmentation for Omniglot: pixels set to zero at random, and
    a random shift. Its AutoAugment for photographs is left out: `contrastive` has views for these.

    The first shot of a class is the image itself, further ones are augmented as the queries are. The official code
    was not at hand to compare: the order (shifted, then zeroed), whole pixels and the repeated border are choices. On
    glyphs the shift asks for more than the tasks teach (validation classes, 5-way 1-shot, ProtoNet after 12,000
    samples: 31.9 % at 6 px, 37.6 at 2, untrained 37.3).
    """

    objectives = frozenset({"episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        zeroing: Annotated[float, Field(ge=0, le=1)] = 0.5,
        shift: NonNegativeInt = 6,
    ):
        """`zeroing` is the probability that a pixel becomes zero, `shift` the most pixels that an image is shifted
        along each side."""
        super().__init__(encoder, sample)
        self.zeroing, self.shift = zeroing, shift

    def augmented(self, x: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) -> (N, C, H, W), shifted with its border repeated, then zeroed in all channels at once."""
        for dim in (2, 3):
            by = torch.randint(-self.shift, self.shift + 1, (len(x), 1), generator=rng.cpu)
            source = (torch.arange(x.shape[dim]) - by).clamp(0, x.shape[dim] - 1).to(x.device)
            shape = [len(x), 1, 1, 1]
            shape[dim] = x.shape[dim]
            x = x.gather(dim, source.view(shape).expand_as(x))
        kept = torch.rand(x[:, :1].shape, generator=rng.on(x.device), device=x.device, dtype=x.dtype) >= self.zeroing
        return x * kept

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` different images in random order."""
        clean = pool.draw(count, shape.ways, rng).unsqueeze(2)  # (count, ways, 1, C, H, W)
        repeated = clean.expand(-1, -1, shape.per_class - 1, -1, -1, -1)
        copies = self.augmented(repeated.flatten(0, 2), rng).view(repeated.shape)
        return Episodes.from_classes(torch.cat([clean, copies], 2), shape)
