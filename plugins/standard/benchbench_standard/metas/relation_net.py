from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng, convert_norm, encode


class RelationNet(MetaLearner):
    """Relation networks (Sung et al. 2018, arXiv 1711.06025, eq. 1-3): a learned module scores how much a query belongs
    to a class, which is the *sum* of its support features; scores in (0, 1) are regressed on 1 for the true class and 0
    for the others (mean squared error).

    It relates feature vectors, where the paper relates maps by two 3x3 convolutions: every backbone has vectors, and on
    Conv-4's 1x1 map of a 28-pixel image such a convolution is the fully connected layer used here, of `width` units
    with batch norm and ReLU as in the paper, then 8 hidden units. The module's own batch norms average over a task's
    query-class pairs in training; at test they use running averages, unless `test_norm` is transductive. Train on
    episodes of few ways, as the paper does: among many classes nearly every target is 0, and scores of 0 are nearly
    right.

    Sum, sigmoid and loss agree with the official code. Other than there: its encoder ends in a 5x5 map, its norms use
    the statistics of each batch at test too (which is transductive), gradients are clipped at a norm of 0.5, and fully
    connected layers begin with biases of 1 and weights of deviation 0.01.
    """

    synonyms = ("relation-network", "learning-to-compare")
    frozen_features = True

    def __init__(self, encoder: Backbone, *, width: PositiveInt = 64, **norm: Any):
        super().__init__(encoder, **norm)
        blocks: list[nn.Module] = []
        for before in (2 * encoder.dim, width):
            blocks += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        self.relation = convert_norm(nn.Sequential(*blocks, nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 1)))

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Relation scores before the sigmoid: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        classes = F.one_hot(episodes.support_y, episodes.ways).to(support.dtype).mT @ support  # (B, ways, dim)
        size = (-1, query.shape[1], episodes.ways, -1)
        pairs = torch.cat([classes.unsqueeze(1).expand(size), query.unsqueeze(2).expand(size)], -1).flatten(1, 2)
        own = self.training or self.norm in ("call", "episode")
        return encode(self.relation, pairs, norm="call" if own else "running").view(len(pairs), -1, episodes.ways)

    def loss(self, episodes: Episodes, rng: Rng) -> tuple[Tensor, Tensor]:
        """The mean squared error of the relation scores, and the logits that they came from."""
        logits = self.logits(episodes, rng)
        truth = F.one_hot(episodes.labels(), episodes.ways).to(logits.dtype)
        return F.mse_loss(logits.sigmoid(), truth), logits
