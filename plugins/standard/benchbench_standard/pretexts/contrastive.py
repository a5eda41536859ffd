from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Encode, Episodes, EpisodeShape, Pool, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.augment import Augment

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss (eq. 1): z (2N, d), where i and i + N are views of one image; a scalar.

    The mean over i of -log(exp(s_ij / t) / sum over k != i of exp(s_ik / t)), j the other view, s the cosine.
    """
    z = F.normalize(z, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    scores = (z @ z.mT / temperature).masked_fill(itself, -torch.inf)
    return F.cross_entropy(scores, torch.arange(len(z), device=z.device).roll(len(z) // 2))


class Contrastive(Pretext):
    """Tell images apart under augmentation. The plain objective is SimCLR's (Chen, Kornblith, Norouzi & Hinton 2020,
    arXiv 2002.05709) between two views of each image, behind an MLP head.

    An episode's classes are single images: the first support sample is the image itself, every other sample an
    augmented view (ProtoCLR, Medina, Devos & Grossglauser 2020, arXiv 2006.11325; UMTRA, Khodadadeh, Boloni & Shah
    2019, arXiv 1811.11819).
    """

    objectives = frozenset({"plain", "task", "episodes"})
    views = 2

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        temperature: Positive = 0.5,
        projection: Annotated[int, Field(ge=1)] = 64,
        min_scale: Positive = 0.6,
        max_scale: Positive = 1.4,
        flips: bool = True,
        rotation: Annotated[float, Field(ge=0, le=180)] = 10.0,
        shear: Share = 0.1,
        erasing: Share = 0.5,
        dropout: Share = 0.3,
        colour: Share = 0.4,
        grey: Share = 0.2,
    ):
        """Besides `temperature` and the width of the `projection`, the settings of `Augment`: areas of the crop, flips,
        degrees of rotation, and the probabilities or strengths of the rest."""
        super().__init__(encoder, sample)
        if min_scale > max_scale:
            raise BenchbenchError(f"pretext contrastive: min_scale {min_scale} is above max_scale {max_scale}")
        self.temperature = temperature
        self.augment = Augment(min_scale, max_scale, flips, rotation, shear, erasing, dropout, colour, grey)
        self.head = nn.Sequential(nn.Linear(encoder.dim, encoder.dim), nn.ReLU(), nn.Linear(encoder.dim, projection))

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """NT-Xent between two views of each image: x (N, C, H, W) -> a scalar."""
        return nt_xent(self.head(encode(self.augment(x.repeat(2, 1, 1, 1), rng))), self.temperature)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Tasks of `ways` different images, each a class of its own; images come in random order."""
        clean = pool.draw(count, shape.ways, rng).unsqueeze(2)  # (count, ways, 1, C, H, W)
        repeated = clean.expand(-1, -1, shape.per_class - 1, -1, -1, -1)
        views = self.augment(repeated.flatten(0, 2), rng).view(repeated.shape)
        return Episodes.from_classes(torch.cat([clean, views], 2), shape)
