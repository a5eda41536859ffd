from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Rng, SampleSpec
from benchbench_standard.pretexts.views import TwoViews, mlp


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, iterations: int = 3) -> Tensor:
    """Codes (N, K) of scores (N, K), eq. 3-5: a sample's sum to 1, and every prototype is given about N / K."""
    codes = (scores / epsilon).exp()
    for _ in range(iterations):
        codes = codes / codes.sum(0, keepdim=True)
        codes = codes / codes.sum(1, keepdim=True)
    return codes


class SwAV(TwoViews):
    """Predict the cluster of an image from another view of it (Caron et al. 2020, arXiv 2006.09882, eq. 1-2), clusters
    of equal size by the Sinkhorn-Knopp algorithm on each batch.

    As in the official code both views go through batch norm together, and codes are of the view's own scores without a
    gradient, in three iterations. There prototypes are brought to length 1 before each step; here the loss sees them
    so, and the gradient goes through the scaling. Left out are multi-crop, the queue of earlier features (the official
    default has none) and the first 313 steps of fixed prototypes. As there is no
    queue, `prototypes` should not be many more than a batch: the paper has 3,000 for batches of 4,096.
    """

    name = "swav"

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        prototypes: PositiveInt = 64,
        temperature: PositiveFloat = 0.1,
        epsilon: PositiveFloat = 0.05,
        projection: PositiveInt = 64,
        **views: Any,
    ):
        """`prototypes` of `projection` dimensions; `epsilon` smoothes the codes, `temperature` the predictions; the
        rest are the settings of `TwoViews`."""
        super().__init__(encoder, sample, **views)
        self.temperature, self.epsilon = temperature, epsilon
        self.project = mlp(encoder.dim, encoder.dim, projection, bias=True)
        self.prototypes = nn.Linear(projection, prototypes, bias=False)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Cross-entropy of each view's prediction and the other's code: x (N, C, H, W) -> a scalar. Raises
        BenchbenchError for a single sample."""
        z = F.normalize(self.project(encode(self.pair(x, rng))), dim=1)
        a, b = F.linear(z, F.normalize(self.prototypes.weight, dim=1)).chunk(2)
        return (self._swapped(a, b) + self._swapped(b, a)) / 2

    def _swapped(self, predicted: Tensor, other: Tensor) -> Tensor:
        return F.cross_entropy(predicted / self.temperature, sinkhorn(other, self.epsilon))
