import torch
from torch import Tensor

from benchbench import Episodes, MetaLearner, Rng, similarity


class NearestNeighbour(MetaLearner):
    """1-nearest-neighbour in Euclidean distance: on raw pixels, the floor of few-shot tables (Lake et al. 2015)."""

    synonyms = ("nearest-neighbor",)
    adapter_only = True
    frozen_features = True

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """A class scores minus the squared distance to its nearest support sample: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        scores = similarity(features[:, episodes.shots :], features[:, : episodes.shots])  # (B, Q, S)
        classes = episodes.support_y.unsqueeze(1).expand_as(scores)
        worst = scores.new_full((*scores.shape[:2], episodes.ways), -torch.inf)
        return worst.scatter_reduce(2, classes, scores, "amax")
