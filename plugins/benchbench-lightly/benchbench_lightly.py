"""Self-supervised losses of lightly (https://github.com/lightly-ai/lightly) as pretexts of benchbench.

The losses and heads are lightly's. The views are made here, a batch at a time: lightly's transforms work on single
images and draw from global generators.
"""

from typing import Annotated, Any

import torch
from lightly import loss as losses
from lightly.models.modules import heads
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Encode, Pretext, Rng, SampleSpec

Share = Annotated[float, Field(ge=0, le=1)]


class Views(Pretext):
    """What the losses between two random views of each image share: crops, flips, brightness and contrast."""

    objectives = frozenset({"plain", "task"})
    views = 2

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        min_scale: Annotated[float, Field(gt=0, le=1)] = 0.4,
        flips: bool = True,
        jitter: Share = 0.4,
        projection: PositiveInt = 64,
    ):
        """A crop has an area of `min_scale` to 1; `jitter` is the most by which brightness and contrast change, as a
        share; `projection` is the width of the head's output."""
        super().__init__(encoder, sample)
        self.min_scale, self.flips, self.jitter = min_scale, flips, jitter
        self.head = heads.SimCLRProjectionHead(encoder.dim, encoder.dim, projection)

    def augment(self, x: Tensor, rng: Rng) -> Tensor:
        """A random view of each image: x (N, C, H, W) -> the same shape, in [0, 1]."""
        u = torch.rand(6, len(x), generator=rng.on(x.device), device=x.device, dtype=x.dtype)
        side = (self.min_scale + (1 - self.min_scale) * u[0]).sqrt()
        shift = (1 - side) * (2 * u[1:3] - 1)
        mirror = torch.where(u[3] < 0.5, -1.0, 1.0) if self.flips else torch.ones_like(side)
        zero = torch.zeros_like(side)
        crop = torch.stack([side * mirror, zero, shift[0], zero, side, shift[1]], 1).view(-1, 2, 3)
        grid = F.affine_grid(crop, list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        contrast, brightness = 1 + self.jitter * (2 * u[4:].view(2, -1, 1, 1, 1) - 1)
        mean = x.mean((1, 2, 3), keepdim=True)
        return ((x - mean) * contrast + mean * brightness).clamp(0, 1)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """The loss between two views of each image: x (N, C, H, W) -> a scalar."""
        if len(x) < 2:
            raise BenchbenchError(f"pretext {type(self).__name__} compares images: a batch needs at least 2")
        features = encode(self.augment(torch.cat([x, x]), rng))
        return self.between(*features.chunk(2))

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss, from the features (N, dim) of both views."""
        raise NotImplementedError


class DCL(Views):
    """Decoupled contrastive learning (Yeh et al. 2022, arXiv 2110.06848, eq. 6): SimCLR without the positive pair
    in the denominator, `temperature` dividing the cosines."""

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, temperature: PositiveFloat = 0.1, **views: Any):
        super().__init__(encoder, sample, **views)
        self.objective = losses.DCLLoss(temperature=temperature)

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """lightly's DCLLoss of the projections."""
        return self.objective(self.head(a), self.head(b))


class DCLW(Views):
    """DCL whose positives are weighted by a von Mises-Fisher factor of spread `sigma` (Yeh et al. 2022, arXiv
    2110.06848, section 3.2); `temperature` divides the cosines."""

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        temperature: PositiveFloat = 0.1,
        sigma: PositiveFloat = 0.5,
        **views: Any,
    ):
        super().__init__(encoder, sample, **views)
        self.objective = losses.DCLWLoss(temperature=temperature, sigma=sigma)

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """lightly's DCLWLoss of the projections."""
        return self.objective(self.head(a), self.head(b))


class FroSSL(Views):
    """Frobenius-norm self-supervised learning (Skean et al. 2024, arXiv 2310.02903): the covariances of both views have
    small norms, and the views agree, weighted by `invariance`."""

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, invariance: PositiveFloat = 1.0, **views: Any):
        super().__init__(encoder, sample, **views)
        self.objective = losses.FroSSLLoss(invariance_weight=invariance)

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """lightly's FroSSLLoss of the projections."""
        return self.objective([self.head(a), self.head(b)])


class MMCR(Views):
    """Maximum manifold capacity (Yerxa et al. 2023, arXiv 2303.03307): on the unit sphere, the nuclear norm of the
    centroids of each image's views is large, and weighted by `compression` that of each image's own views small. Both
    networks are the encoder: no momentum copy, as in the paper."""

    def __init__(
        self, encoder: Backbone, sample: SampleSpec, *, compression: Annotated[float, Field(ge=0)] = 5e-3, **views: Any
    ):
        super().__init__(encoder, sample, **views)
        self.objective = losses.MMCRLoss(lmda=compression)

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """lightly's MMCRLoss of the projections, one view of each image given as each network's."""
        return self.objective(*(F.normalize(self.head(view), dim=1).unsqueeze(1) for view in (a, b)))


class SimSiam(Views):
    """Each view predicts the other's projection, whose gradient is stopped (Chen & He 2021, arXiv 2011.10566, eq. 2);
    `hidden` is the width of the predictor and `projection` that of what it predicts."""

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        hidden: PositiveInt = 32,
        projection: PositiveInt = 64,
        **views: Any,
    ):
        super().__init__(encoder, sample, projection=projection, **views)
        self.head = heads.SimSiamProjectionHead(encoder.dim, encoder.dim, projection)
        self.predict = heads.SimSiamPredictionHead(projection, hidden, projection)
        self.objective = losses.NegativeCosineSimilarity()

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """lightly's NegativeCosineSimilarity, both ways."""
        za, zb = self.head(a), self.head(b)
        return (self.objective(self.predict(za), zb.detach()) + self.objective(self.predict(zb), za.detach())) / 2
