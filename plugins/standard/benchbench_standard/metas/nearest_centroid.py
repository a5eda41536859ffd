from typing import Any, Literal

from torch import Tensor

from benchbench import Backbone, Episodes, MetaLearner, Rng, class_means, similarity


class NearestCentroid(MetaLearner):
    """The nearest class mean of frozen features: what stands for *no meta-learning* after plain training
    (SimpleShot, Wang et al. 2019, arXiv 1911.04623, without its centring), by the `distance` named."""

    adapter_only = True
    frozen_features = True

    def __init__(self, encoder: Backbone, *, distance: Literal["euclidean", "cosine"] = "cosine", **norm: Any):
        super().__init__(encoder, **norm)
        self.distance = distance

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Similarity of each query to each class mean: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        return similarity(query, class_means(support, episodes.support_y, episodes.ways), self.distance)
