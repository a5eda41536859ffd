from typing import Any

import torch
from torch import Tensor, nn

from benchbench import Backbone
from benchbench_standard.metas.heads import rows
from benchbench_standard.metas.maml import MAML


class MetaSGD(MAML):
    """Meta-SGD (Li et al. 2017, arXiv 1707.09835, eq. 2): MAML whose rates are learned, one for every parameter
    (the public code learns a single scalar). They begin at `inner_lr`, the paper's at random values."""

    def __init__(self, encoder: Backbone, **maml: Any):
        super().__init__(encoder, **maml)
        # ParameterDict refuses dots in names.
        rates = {
            k.replace(".", "/"): torch.full_like(w, self.inner_lr) for k, w in self.initial(self.head_ways).items()
        }
        self.alpha = nn.ParameterDict(rates)

    def rates(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The learned rates, shaped as the weights; the head's rows stand for its ways as its weights do."""
        learned = {name.replace("/", "."): rate for name, rate in self.alpha.items()}
        return {
            name: rows(rate, weights[name].shape[1]) if name.startswith("head.") else rate
            for name, rate in learned.items()
            if name in weights
        }
