from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng
from benchbench_standard.metas.heads import mini_batches, task_losses


class BaselinePlusPlus(MetaLearner):
    """Baseline++ (Chen, Liu, Kira, Wang & Huang 2019, arXiv 1904.04232, section 3.2): on frozen features, a cosine
    classifier is trained on each support set from random class vectors; a class scores `scale` times its cosine.

    The official code's recipe: SGD at 0.01 (`lr`) with momentum and dampening 0.9 and weight decay 0.001, 100 passes
    (`epochs`) in batches of 4, scale 2. Other than there, a class vector has no learned length, and what comes before
    is whatever plain objective trained the encoder: with ``labels`` a linear classifier, not a cosine one.
    """

    synonyms = ("baseline-plus-plus",)
    adapter_only = True
    frozen_features = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        scale: PositiveFloat = 2.0,
        lr: PositiveFloat = 0.01,
        epochs: PositiveInt = 100,
        batch: PositiveInt = 4,
        **norm: Any,
    ):
        super().__init__(encoder, **norm)
        self.scale, self.lr, self.batch, self.adaptation_steps = scale, lr, batch, epochs

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scaled cosines of queries and class vectors: (B, Q, ways)."""
        features = F.normalize(self.encode(episodes.all_x, support=episodes.shots).detach(), dim=-1)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        # One draw serves all tasks, so that none depends on how many there are.
        drawn = torch.empty(episodes.ways, features.shape[-1], device=features.device, dtype=features.dtype)
        nn.init.kaiming_uniform_(drawn, a=5**0.5, generator=rng.on(features.device))
        classes = drawn.expand(len(episodes), -1, -1).clone().requires_grad_()
        optimiser = torch.optim.SGD([classes], self.lr, momentum=0.9, dampening=0.9, weight_decay=1e-3)
        with torch.enable_grad():
            for batch in mini_batches(episodes.shots, self.batch, self.adaptation_steps, rng.child("order")):
                optimiser.zero_grad()
                task_losses(self.cosines(support[:, batch], classes), episodes.support_y[:, batch]).backward()
                optimiser.step()
        return self.cosines(query, classes.detach())

    def cosines(self, features: Tensor, classes: Tensor) -> Tensor:
        """(B, n, dim) of unit length, (B, ways, dim) of any -> scaled cosines (B, n, ways)."""
        return self.scale * features @ F.normalize(classes, dim=-1).mT
