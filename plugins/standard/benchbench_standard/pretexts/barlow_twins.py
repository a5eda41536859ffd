from typing import Any

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Encode, Rng, SampleSpec
from benchbench_standard.pretexts.views import TwoViews, apart, mlp


def barlow(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """Eq. 1: sum of (1 - C_ii)^2 plus `weight` times sum of C_ij^2, i != j, with C the correlation of the dimensions of
    two views a and b (N, d) over the batch; a scalar."""
    correlation = _standardised(a).T @ _standardised(b) / len(a)
    own = correlation.diagonal()
    return (1 - own).square().sum() + weight * (correlation.square().sum() - own.square().sum())


def _standardised(z: Tensor) -> Tensor:
    return F.batch_norm(z, None, None, training=True)


class BarlowTwins(TwoViews):
    """Make the cross-correlation of two views the identity (Zbontar, Jing, Misra, LeCun & Deny 2021, arXiv 2103.03230,
    eq. 1-2), for the official code's lambda. As there each view goes through encoder and projector by itself, so that
    batch norms never see both, and the last batch norm has no weights. The projector has two layers of `projection`,
    the paper's three of 8,192; the views of the paper differ (blur and solarisation), these are `TwoViews`'."""

    name = "barlow-twins"

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        redundancy: NonNegativeFloat = 0.0051,
        projection: PositiveInt = 256,
        **views: Any,
    ):
        """`redundancy` is the paper's lambda; the rest are the settings of `TwoViews`."""
        super().__init__(encoder, sample, **views)
        self.redundancy = redundancy
        self.project = mlp(encoder.dim, projection, projection)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) -> a scalar. Raises BenchbenchError for a single sample."""
        a, b = apart(lambda view: self.project(encode(view)), self.pair(x, rng))
        return barlow(a, b, self.redundancy)
