from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchbench import Backbone
from benchbench_standard.metas.maml import MAML


class MetaSGD(MAML):
    """Meta-SGD (Li et al. 2017, arXiv 1707.09835, eq. 2): MAML whose rates are learned, one for every parameter
    (the public code learns a single scalar). They begin at `inner_lr`."""

    def __init__(self, encoder: Backbone, **maml: Any):
        super().__init__(encoder, **maml)
        like = {**dict(encoder.named_parameters()), "head.weight": self.head.weight, "head.bias": self.head.bias}
        # ParameterDict refuses dots in names.
        self.alpha = nn.ParameterDict({k.replace(".", "/"): torch.full_like(v, self.inner_lr) for k, v in like.items()})

    def rates(self) -> Mapping[str, Tensor]:
        """The learned rates, shaped as the weights; a shared head row broadcasts over the ways."""
        return {name.replace("/", "."): rate for name, rate in self.alpha.items()}
