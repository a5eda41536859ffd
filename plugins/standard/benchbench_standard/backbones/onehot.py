import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, SampleSpec
from benchbench_standard.modalities.letters import certain


class OneHot(Backbone):
    """Which letter stands at each place, as ones and zeros scaled to length 1: no parameter, nothing to train. The
    floor for sequences that are aligned, such as those around a splice site. Source: own.

    Padding, and letters that are unknown or ambiguous, such as N, are zeros.
    """

    trainable = False
    of_target = True
    modalities = frozenset({"sequence"})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        known = certain(sample.vocabulary)
        self.dim = sample.shape[0] * len(known)
        self.codes: Tensor
        codes = torch.zeros(len(sample.vocabulary), len(known))
        codes[known, range(len(known))] = 1
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, T * letters), place by place."""
        return F.normalize(self.codes[x].flatten(1))
