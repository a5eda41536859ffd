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
    (Z Z' + S lambda I)^-1 Y; a query scores alpha z W + beta. As in the official code Z has a column of ones, whose
    weights are penalised as the others are, and both Z and Y are divided by sqrt(S): that multiplies lambda by S and
    changes nothing else. The logarithm of lambda, alpha and beta are learned.

    Other than there, lambda begins at `initial_lambda` 1 where the official run has 50, on a far larger network, and
    alpha at `initial_scale` 10, for a softmax over scores between 0 and 1 is flat. The official recipe (Adam at 0.005,
    dropout 0.4, 20 ways, 1 to 10 shots) is the matrix's to ask for, and the network, which joins the features of its
    last two blocks, the backbone's.
    """

    #: 2: a bias column, and lambda times the number of support samples.
    revision = 2
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
        support, query = (F.pad(z, (0, 1), value=1.0) for z in (support, query))
        targets = F.one_hot(episodes.support_y, episodes.ways).to(support.dtype)
        weights = ridge(support, targets, episodes.shots * self.log_lambda.exp())
        return self.scale * (query @ weights) + self.bias


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
