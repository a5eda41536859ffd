from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Episodes, MetaLearner, NormMode, Rng

Steps = Annotated[int, Field(ge=1)]


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

    def named_weights(self) -> dict[str, Tensor]:
        """What adapts: every weight of the encoder, its norms' too, and of the head."""
        named = {f"encoder.{name}": w for name, w in self.encoder.named_parameters()}
        return named | {"head.weight": self.head.weight, "head.bias": self.head.bias}

    def initial(self, tasks: int, ways: int) -> dict[str, Tensor]:
        """The starting weights of `tasks` tasks: name -> (B, *shape)."""
        if self.head_ways not in (None, ways):
            raise BenchbenchError(f"this MAML has a head of {self.head_ways} rows and cannot take {ways} ways")
        weights = self.named_weights()
        if self.head_ways is None:
            weights |= {"head.weight": self.head.weight.expand(ways, -1), "head.bias": self.head.bias.expand(ways)}
        return {name: w.expand(tasks, *w.shape) for name, w in weights.items()}

    def rates(self) -> Mapping[str, Tensor | float]:
        """The step size of each weight, broadcast over tasks."""
        return {}

    def score(self, weights: dict[str, Tensor], x: Tensor, support: int) -> Tensor:
        """x (B, n, *shape) under each task's weights -> (B, n, ways)."""
        body = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
        features = self.encode(x, params=body, support=support)
        return features @ weights["head.weight"].mT + weights["head.bias"].unsqueeze(1)

    def adapt(self, episodes: Episodes) -> dict[str, Tensor]:
        """Gradient descent on each support set: the adapted weights of every task."""
        weights, rates = self.initial(len(episodes), episodes.ways), self.rates()
        # Under `episode` statistics the queries' images, never their labels, shape every step.
        x = episodes.all_x if self.norm == "episode" else episodes.support_x
        for _ in range(self.train_steps if self.training else self.test_steps):
            if not self.training:
                weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
            scores = self.score(weights, x, episodes.shots)[:, : episodes.shots]
            # A sum over tasks of their means: the tasks are independent, so each gets its own gradient.
            loss = F.cross_entropy(scores.flatten(0, 1), episodes.support_y.flatten(), reduction="sum")
            gradients = torch.autograd.grad(
                loss / episodes.shots,
                list(weights.values()),
                create_graph=self.training and not self.first_order,
                materialize_grads=True,
            )
            steps = zip(weights.items(), gradients, strict=True)
            weights = {name: w - rates.get(name, self.inner_lr) * g for (name, w), g in steps}
        return weights

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of the adapted weights: (B, Q, ways)."""
        with torch.enable_grad():
            weights = self.adapt(episodes)
        # Statistics that the support has a part in need its samples in the same pass.
        together = self.norm in ("episode", "support")
        scores = self.score(weights, episodes.all_x if together else episodes.query_x, episodes.shots)
        return scores[:, -episodes.query_x.shape[1] :]
