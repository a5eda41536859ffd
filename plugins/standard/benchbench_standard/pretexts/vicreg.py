from typing import Any

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Encode, Rng, SampleSpec
from benchbench_standard.pretexts.views import TwoViews, apart, mlp


def spread(z: Tensor) -> Tensor:
    """Variance term, eq. 1: the mean over dimensions of max(0, 1 - sqrt(Var + 1e-4)); z (N, d) -> a scalar."""
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def redundancy(z: Tensor) -> Tensor:
    """Covariance term, eq. 4: the squared off-diagonal covariances, summed and divided by d; z (N, d) -> a scalar."""
    covariance = z.T.cov()
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


class VICReg(TwoViews):
    """Variance, invariance and covariance of two views (Bardes, Ponce & LeCun 2022, arXiv 2105.04906, eq. 6).

    As in the official code the invariance term is a mean over dimensions too and the variance terms are averaged over
    the views, and each view goes through encoder and expander by itself, so that batch norms never see both.
    The expander has two layers of `projection`, the paper's three of 8,192.
    """

    name = "vicreg"

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        invariance: NonNegativeFloat = 25.0,
        variance: NonNegativeFloat = 25.0,
        covariance: NonNegativeFloat = 1.0,
        projection: PositiveInt = 256,
        **views: Any,
    ):
        """The weights of the three terms and the width of the expander; the rest are the settings of `TwoViews`."""
        super().__init__(encoder, sample, **views)
        self.weights = invariance, variance, covariance
        self.expand = mlp(encoder.dim, projection, projection)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """x (N, C, H, W) -> a scalar. Raises BenchbenchError for a single sample."""
        a, b = apart(lambda view: self.expand(encode(view)), self.pair(x, rng))
        terms = F.mse_loss(a, b), (spread(a) + spread(b)) / 2, redundancy(a) + redundancy(b)
        return sum(weight * term for weight, term in zip(self.weights, terms, strict=True))  # type: ignore[return-value]
