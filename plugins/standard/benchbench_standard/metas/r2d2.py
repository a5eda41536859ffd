from typing import Any

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng


class R2D2(MetaLearner):
    """Ridge regression differentiable discriminator (Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv 1805.08136,
    eq. 4-7).

    A task's linear map of its features Z (S, dim) to one-hot labels Y solves a ridge regression in closed form, W = Z'
    (Z Z' + lambda I)^-1 Y; a query scores alpha z W + beta. The logarithm of lambda, alpha and beta are learned; they
    begin at `initial_lambda`, at `initial_scale` (10, for a softmax over scores between 0 and 1 is flat) and at 0. The
    paper's larger network, which joins the features of its last two blocks, is left to the backbone.
    """

    frozen_features = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        initial_lambda: PositiveFloat = 1.0,
        initial_scale: PositiveFloat = 10.0,
        **norm: Any,
    ):
        super().__init__(encoder, **norm)
        self.log_lambda = nn.Parameter(torch.tensor(initial_lambda).log())
        self.scale, self.bias = nn.Parameter(torch.tensor(initial_scale)), nn.Parameter(torch.tensor(0.0))

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """The regression at each query, scaled and shifted: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        targets = F.one_hot(episodes.support_y, episodes.ways).to(support.dtype)
        return self.scale * (query @ ridge(support, targets, self.log_lambda.exp())) + self.bias


def ridge(z: Tensor, y: Tensor, strength: Tensor) -> Tensor:
    """The W that minimises |z W - y|^2 + strength |W|^2: z (B, S, dim), y (B, S, ways) -> (B, dim, ways).

    Woodbury's identity (the paper's eq. 6) makes the system as small as the support set; where that is the larger side,
    the system is dim x dim (eq. 4).
    """
    samples, dim = z.shape[1:]
    if samples <= dim:
        gram = z @ z.mT + strength * torch.eye(samples, dtype=z.dtype, device=z.device)
        return z.mT @ torch.linalg.solve(gram, y)
    gram = z.mT @ z + strength * torch.eye(dim, dtype=z.dtype, device=z.device)
    return torch.linalg.solve(gram, z.mT @ y)
