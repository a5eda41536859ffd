from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng, similarity


class MatchingNet(MetaLearner):
    """Matching networks (Vinyals et al. 2016, arXiv 1606.04080, eq. 1 and section 2.1.1), without full context
    embeddings: the paper found that these do not help on Omniglot.

    A query's label is the attention-weighted sum of the support labels, attention being the softmax of the similarity
    to each support sample: ``cosine``, times 10 where the paper has no factor, or ``euclidean``, minus the squared
    distance.
    """

    synonyms = ("matching-networks", "matching-network")
    frozen_features = True

    def __init__(self, encoder: Backbone, *, distance: Literal["cosine", "euclidean"] = "cosine", **norm: Any):
        super().__init__(encoder, **norm)
        self.distance = distance

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """The log of the attention that each class receives, log P(y | x, S): (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        attention = similarity(query, support, self.distance).log_softmax(-1)  # (B, Q, S)
        others = F.one_hot(episodes.support_y, episodes.ways) == 0  # (B, S, ways)
        by_class = attention.unsqueeze(-1).masked_fill(others.unsqueeze(1), -torch.inf)
        return by_class.logsumexp(2)
