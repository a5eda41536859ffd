import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import HIDDEN, Backbone, SampleSpec


class MultiHot(Backbone):
    """Which tokens a sample holds, each weighted by how rare it is (the inverse document frequency of Sparck Jones
    1972, doi 10.1108/eb026526, smoothed), at length 1: nothing to train. What items have in common, with nothing
    learned. A token that no training sample holds counts as the rarest that one holds."""

    modalities = frozenset({"interaction"})
    trainable = False
    of_target = True
    weights: Tensor

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        shares = torch.tensor(sample.vocabulary.shares, dtype=torch.get_default_dtype())
        least = shares[shares > 0].min() if (shares > 0).any() else torch.tensor(1.0)
        self.register_buffer("weights", 1 - shares.clamp(min=float(least)).log())
        self.dim = len(shares)

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, tokens)."""
        held = torch.zeros(len(x), self.dim, dtype=self.weights.dtype, device=x.device).scatter(1, x, 1.0)
        held[:, : HIDDEN + 1] = 0
        return F.normalize(held * self.weights, dim=1)
