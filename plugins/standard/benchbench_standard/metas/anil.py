from dataclasses import replace
from typing import Any, ClassVar, Literal

from torch import Tensor

from benchbench import Backbone, Episodes, Rng
from benchbench_standard.metas.maml import MAML


class ANIL(MAML):
    """Almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020, arXiv 1909.09157, section 4): MAML whose inner loop
    moves the head alone. The encoder learns through the features that the head is fitted on.

    Settings are MAML's, batch statistics too: those of each call, which is transductive. A step of the head moves a
    logit by the rate times products of features, which nothing in the inner loop can shorten, so that large steps
    saturate the softmax (Omniglot's validation classes, 5-way 1-shot, 12,000 samples, three steps in training and five
    at test: 84.0 % at 0.1, 74.1 at 0.4, 53.0 at 2.0).
    """

    #: MAML's second changed what happens to an encoder under adapted weights, which is not so here.
    #: 2: a head of five rows.
    revision = 2
    neutral: ClassVar = {"adapts": "head"}
    adapts_to_any_loss = False
    frozen_features = True

    def __init__(self, encoder: Backbone, *, adapts: Literal["head"] = "head", **maml: Any):
        super().__init__(encoder, adapts=adapts, **maml)

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Each sample's features once, then MAML's inner loop on them: (B, Q, ways)."""
        if self.norm == "call":
            support, query = self.encode(episodes.support_x), self.encode(episodes.query_x)
        else:
            features = self.encode(episodes.all_x, support=episodes.shots)
            support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        with self.precomputed():
            return super().logits(replace(episodes, support_x=support, query_x=query), rng)
