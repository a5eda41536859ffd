from torch import Tensor, nn

from benchbench import HIDDEN, Backbone, SampleSpec


class ItemScore(Backbone):
    """One number for each token, and their sum as the one feature: how popular an item is, set in closed form (pretext
    `popularity`), or trained. A token that is unknown adds nothing. Source: own."""

    modalities = frozenset({"interaction"})
    provides = frozenset({"scores"})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        self.scores = nn.Embedding(len(sample.vocabulary), 1)
        self.dim = 1

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, 1)."""
        return (self.scores(x) * (x > HIDDEN).unsqueeze(-1)).sum(1)
