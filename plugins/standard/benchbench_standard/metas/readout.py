from math import ceil, sqrt
from typing import Any, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng, class_means, similarity
from benchbench_standard.metas.r2d2 import ridge


class Readout(MetaLearner):
    """Frozen features, read off in one of several ways: what plain training is worth depends on the reader as much as
    on the training (Luo et al. 2023, arXiv 2301.12246), so a comparison with meta-learning should choose it too.

    `by` is ``cosine`` to class means, as `nearest-centroid`; ``centred``, the same once the mean of the support set's
    features is taken off (SimpleShot's CL2N takes off that of the training data: Wang et al. 2019, arXiv 1911.04623);
    ``ridge`` regression to one-hot labels (Bertinetto et al. 2019, arXiv 1805.08136, before anything is learned); or
    ``logistic`` regression (Tian et al. 2020, arXiv 2003.11539). The regressions see features of unit length and a
    column of ones, and penalise half of `strength` times the squared weights, the ridge twice that.
    """

    adapter_only = True
    frozen_features = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        by: Literal["cosine", "centred", "ridge", "logistic"] = "cosine",
        strength: PositiveFloat = 1.0,
        **norm: Any,
    ):
        super().__init__(encoder, **norm)
        self.by, self.strength = by, strength

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """A score for each class: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        if self.by in ("cosine", "centred"):
            if self.by == "centred":
                centre = support.mean(1, keepdim=True)
                support, query = support - centre, query - centre
            return similarity(query, class_means(support, episodes.support_y, episodes.ways), "cosine")
        support, query = (F.pad(F.normalize(z, dim=-1), (0, 1), value=1.0) for z in (support, query))
        targets = F.one_hot(episodes.support_y, episodes.ways).to(support.dtype)
        if self.by == "ridge":
            return query @ ridge(support, targets, support.new_tensor(self.strength))
        return query @ (support.mT @ logistic(support, targets, self.strength))


def logistic(z: Tensor, y: Tensor, strength: float) -> Tensor:
    """Multinomial logistic regression: z (B, S, dim), y one-hot (B, S, ways) -> a (B, S, ways), where the weights W =
    z' a minimise the summed cross-entropy plus ``strength / 2`` |W|^2.

    Accelerated gradient descent (Nesterov 2004, section 2.2.1) on W, written in a, which is smaller. The curvature is
    at most strength + |z z'| / 2, the norm bounded by its largest row, which is at most 2 S for rows of z no longer
    than sqrt(2). Enough steps are taken to divide the error by e^12.
    """
    gram = z @ z.mT
    largest = strength + gram.abs().sum(-1).amax(-1)[:, None, None] / 2
    root = (strength / largest).sqrt()
    momentum = (1 - root) / (1 + root)
    a = ahead = torch.zeros_like(y)
    for _ in range(ceil(12 * sqrt(1 + z.shape[1] / strength))):
        before = a
        a = ahead - (strength * ahead + (gram @ ahead).softmax(-1) - y) / largest
        ahead = a + momentum * (a - before)
    return a
