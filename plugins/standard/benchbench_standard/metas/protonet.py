from typing import Any, Literal

from torch import Tensor

from benchbench import Backbone, Episodes, MetaLearner, Rng, class_means, similarity


class ProtoNet(MetaLearner):
    """Prototypical networks (Snell, Swersky & Zemel 2017, arXiv 1703.05175, eq. 1-2).

    A class is the mean of its support features; a query belongs to the nearest mean, by the `distance` named: the
    squared Euclidean one, or the cosine times 10.
    """

    synonyms = ("prototypical-networks", "prototypical-network")
    frozen_features = True

    def __init__(self, encoder: Backbone, *, distance: Literal["euclidean", "cosine"] = "euclidean", **norm: Any):
        super().__init__(encoder, **norm)
        self.distance = distance

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Similarity of each query to each prototype, which is minus the distance: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        return similarity(query, class_means(support, episodes.support_y, episodes.ways), self.distance)
