import torch
from torch import Tensor

from benchbench import Episodes, MetaLearner, Rng


class Prior(MetaLearner):
    """Ranks by the features alone, whoever the task is about: the support set is not looked at. With ordered classes
    and a backbone of one feature that says how high a sample stands (`item-score`), it is the floor of recommenders,
    popularity; of several features it takes the mean, with unordered classes it is at chance. Source: own."""

    adapter_only = True
    frozen_features = True
    uses_support = False

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """A class scores its place, from -1/2, the lowest, to 1/2, times the feature: (B, Q, ways)."""
        scores = self.encode(episodes.all_x, support=episodes.shots)[:, episodes.shots :].mean(-1, keepdim=True)
        return scores * torch.linspace(-0.5, 0.5, episodes.ways, dtype=scores.dtype, device=scores.device)
