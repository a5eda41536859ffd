from typing import Any

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from benchbench import Backbone, Episodes, MetaLearner, Rng
from benchbench_standard.metas.svm import crammer_singer


class MetaOptNet(MetaLearner):
    """MetaOptNet-SVM (Lee, Maji, Ravichandran & Soatto 2019, arXiv 1904.03758, eq. 6-12): each task's head is a
    multi-class SVM (Crammer & Singer) on its support features, differentiated through the optimality conditions of its
    dual; scores are scaled by a learned factor.

    `cost` is the paper's C. The factor begins at 10, not 1: scores a margin of 1 apart give a flat softmax, which a
    short training hardly sharpens. Label smoothing, DropBlock and augmentation, which are no part of the learner, are
    left out; so is the unit that the official code adds to the kernel's diagonal.
    """

    frozen_features = True

    def __init__(
        self, encoder: Backbone, *, cost: PositiveFloat = 0.1, initial_scale: PositiveFloat = 10.0, **norm: Any
    ):
        super().__init__(encoder, **norm)
        self.cost = cost
        self.scale = nn.Parameter(torch.tensor(initial_scale))

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scaled SVM scores: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        exact = support.double()
        dual = crammer_singer(exact @ exact.mT, episodes.support_y, episodes.ways, self.cost)
        return self.scale * (query @ support.mT @ dual.to(query.dtype))
