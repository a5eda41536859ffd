from typing import Any

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from benchbench import Backbone, Episodes, MetaLearner, Rng
from benchbench_standard.metas.heads import linear, mini_batches, prototype_head, task_losses


class ProtoTune(MetaLearner):
    """ProtoTune (Medina, Devos & Grossglauser 2020, arXiv 2006.11325, section 2.3): a linear head that begins as the
    prototypes, weight 2 mu and bias -|mu|^2, is trained on the support set at test; the encoder stays. After
    meta-training on contrastive episodes (ProtoCLR) it is the paper's ProtoTransfer.

    Meta-training is ProtoNet's, which is the same head before any step. At test the official code's recipe: Adam at
    0.001 (`lr`), 15 passes (`epochs`) in batches of as many samples as there are ways, or of `batch`.
    """

    synonyms = ("prototransfer",)
    #: 2: batches of as many samples as there are ways, where all had 5.
    revision = 2
    frozen_features = True
    test_settings = frozenset({"test_norm", "lr", "epochs", "batch"})

    def __init__(
        self,
        encoder: Backbone,
        *,
        lr: PositiveFloat = 1e-3,
        epochs: NonNegativeInt = 15,
        batch: PositiveInt | None = None,
        **norm: Any,
    ):
        super().__init__(encoder, **norm)
        self.lr, self.batch, self.adaptation_steps = lr, batch, epochs

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of each task's head: (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        weight, bias = prototype_head(support, episodes.support_y, episodes.ways)
        if not self.training:
            weight, bias = self.tuned(weight, bias, support.detach(), episodes.support_y, rng)
        return linear(query, weight, bias)

    def tuned(self, weight: Tensor, bias: Tensor, support: Tensor, labels: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        """The heads after their steps on the support features (B, S, dim)."""
        weight, bias = (w.detach().clone().requires_grad_() for w in (weight, bias))
        optimiser = torch.optim.Adam([weight, bias], self.lr)
        size = self.batch or weight.shape[1]
        with torch.enable_grad():
            for batch in mini_batches(support.shape[1], size, self.adaptation_steps, rng):
                optimiser.zero_grad()
                task_losses(linear(support[:, batch], weight, bias), labels[:, batch]).backward()
                optimiser.step()
        return weight.detach(), bias.detach()
