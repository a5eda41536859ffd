from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, NormMode, Rng

Steps = Annotated[int, Field(ge=1)]
Weights = dict[str, Tensor]


class MAML(MetaLearner):
    """Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, arXiv 1703.03400, algorithm 2).

    The inner loss is the *mean* cross-entropy over the support set. The official code sums over classes, so its rate
    0.4 at 5 ways is 2.0 here. The head is one row that every class of a task begins with, so ways may differ at test;
    `head_ways` gives it that many rows of its own, as in the paper. Batch statistics are those of each call by
    default, as in the official code: that is transductive, and ``support`` is the inductive form.
    """

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: Annotated[float, Field(gt=0)] = 0.4,
        train_steps: Steps = 3,
        test_steps: Steps = 5,
        first_order: bool = False,
        head_ways: Annotated[int, Field(ge=2)] | None = None,
        train_norm: NormMode = "call",
        test_norm: NormMode = "call",
    ):
        super().__init__(encoder, train_norm=train_norm, test_norm=test_norm)
        self.inner_lr, self.first_order, self.head_ways = inner_lr, first_order, head_ways
        self.train_steps, self.test_steps = train_steps, test_steps
        self.head = nn.Linear(encoder.dim, head_ways or 1)

    def initial(self, tasks: int, ways: int) -> Weights:
        """The starting weights of `tasks` tasks: name -> (B, *shape)."""
        if self.head_ways not in (None, ways):
            raise ValueError(f"this MAML has a head of {self.head_ways} rows and cannot take {ways} ways")
        weights = dict(self.encoder.named_parameters())
        rows = 1 if self.head_ways else ways
        own = {"head.weight": self.head.weight.repeat(rows, 1), "head.bias": self.head.bias.repeat(rows)}
        return {name: w.unsqueeze(0).expand(tasks, *w.shape) for name, w in {**weights, **own}.items()}

    def rates(self) -> Mapping[str, Tensor | float]:
        """The step size of each weight, broadcast over tasks."""
        return {}

    def score(self, weights: Weights, x: Tensor, support: int) -> Tensor:
        """x (B, n, *shape) under each task's weights -> (B, n, ways)."""
        body = {name: w for name, w in weights.items() if not name.startswith("head.")}
        features = self.encode(x, params=body, support=support)
        return features @ weights["head.weight"].mT + weights["head.bias"].unsqueeze(1)

    def adapt(self, episodes: Episodes) -> Weights:
        """Gradient descent on each support set: the adapted weights of every task."""
        second_order = self.training and not self.first_order
        weights, rates = self.initial(len(episodes), episodes.ways), self.rates()
        # Under `episode` statistics the queries' images, never their labels, shape every step.
        x = episodes.all_x if self.norm == "episode" else episodes.support_x
        for _ in range(self.train_steps if self.training else self.test_steps):
            scores = self.score(weights, x, episodes.shots)[:, : episodes.shots]
            # A sum over tasks of their means: the tasks are independent, so each gets its own gradient.
            loss = F.cross_entropy(scores.flatten(0, 1), episodes.support_y.flatten(), reduction="sum")
            gradients = torch.autograd.grad(
                loss / episodes.shots, list(weights.values()), create_graph=second_order, allow_unused=True
            )
            weights = {
                name: w if g is None else w - rates.get(name, self.inner_lr) * g
                for (name, w), g in zip(weights.items(), gradients, strict=True)
            }
            if not self.training:
                weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
        return weights

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of the adapted weights: (B, Q, ways)."""
        with torch.enable_grad():
            weights = self.adapt(episodes)
        if self.norm == "call":
            return self.score(weights, episodes.query_x, episodes.shots)
        return self.score(weights, episodes.all_x, episodes.shots)[:, episodes.shots :]
