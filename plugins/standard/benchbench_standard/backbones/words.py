import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, SampleSpec
from benchbench_standard.backbones.token_shares import token_idf, vocabulary_of


class Words(Backbone):
    """tf-idf of tokens (Salton & Buckley 1988), scikit-learn's: counts times ln((1 + n) / (1 + df)) + 1, to length 1.

    A raw floor: nothing to train. It is made for each target with the target's own vocabulary, so words of its test
    classes count too; their document frequency, of training samples alone, is 0. See `smoothed_idf` for what n is.
    """

    modalities = frozenset({"text"})
    trainable = False
    of_target = True
    idf: Tensor

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.register_buffer("idf", token_idf(vocabulary_of(sample)))
        self.dim = len(self.idf)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) int64 -> (N, size of the vocabulary)."""
        counts = self.idf.new_zeros(len(x), self.dim)
        counts.scatter_add_(1, x, torch.ones_like(x, dtype=counts.dtype))
        return F.normalize(counts * self.idf, dim=1)
