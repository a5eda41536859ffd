from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Encode, Pretext, Rng, SampleSpec


class MaskedColumns(Pretext):
    """Tell which values of a row were replaced, and what they were (VIME: Yoon, Zhang, Jordon & van der Schaar 2020,
    Advances in Neural Information Processing Systems 33, equations 4 to 6).

    Each value is replaced with probability `mask` by the same column's value in another row of the batch. The loss is
    the binary cross-entropy of which values differ from before, as in the official code, plus `reconstruction` times
    the mean squared error of the row; both heads are linear. Defaults are the official code's.
    """

    modalities = frozenset({"tabular"})
    synonyms = ("vime",)
    objectives = frozenset({"plain", "task"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        mask: Annotated[float, Field(gt=0, lt=1)] = 0.3,
        reconstruction: NonNegativeFloat = 2.0,
    ):
        super().__init__(encoder, sample)
        self.mask, self.reconstruction = mask, reconstruction
        (columns,) = sample.shape
        self.which, self.what = nn.Linear(encoder.dim, columns), nn.Linear(encoder.dim, columns)

    def corrupted(self, x: Tensor, rng: Rng) -> Tensor:
        """Rows (N, F) -> the same with some values from other rows."""
        draws = torch.rand(2, *x.shape, generator=rng.on(x.device), device=x.device)
        shuffled = x.gather(0, draws[0].argsort(0))
        return torch.where(draws[1] < self.mask, shuffled, x)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """Both losses of rows x (N, F): a scalar."""
        corrupted = self.corrupted(x, rng)
        features = encode(corrupted)
        differs = (corrupted != x).to(x.dtype)
        loss = F.binary_cross_entropy_with_logits(self.which(features), differs)
        return loss + self.reconstruction * F.mse_loss(self.what(features), x)
