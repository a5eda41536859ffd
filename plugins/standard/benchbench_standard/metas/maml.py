from collections.abc import Callable

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, Encode, Episodes, MetaLearner, NormMode, Rng


class MAML(MetaLearner):
    """Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, arXiv 1703.03400, algorithm 2).

    The inner loss is the *mean* cross-entropy over the support set. The official code sums over classes, so its rate
    0.4 at 5 ways is 2.0 here. The head is one row that every class of a task begins with, so ways may differ at test;
    `head_ways` gives it that many rows of its own, as in the paper. Batch statistics are those of each call by
    default, as in the official code: that is transductive, and ``support`` is the inductive form.
    """

    adapts_to_any_loss = True

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: PositiveFloat = 0.4,
        train_steps: PositiveInt = 3,
        test_steps: PositiveInt = 5,
        first_order: bool = False,
        head_ways: PositiveInt | None = None,
        train_norm: NormMode = "call",
        test_norm: NormMode = "call",
    ):
        super().__init__(encoder, train_norm=train_norm, test_norm=test_norm)
        self.inner_lr, self.first_order, self.head_ways = inner_lr, first_order, head_ways
        self.train_steps, self.test_steps = train_steps, test_steps
        self.head = nn.Linear(encoder.dim, head_ways or 1)

    def initial(self, ways: int) -> dict[str, Tensor]:
        """What adapts: every weight of the encoder, its norms' too, and of the head, whose one row all ways share."""
        if self.head_ways not in (None, ways):
            raise BenchbenchError(f"this MAML has a head of {self.head_ways} rows and cannot take {ways} ways")
        body = {f"encoder.{name}": w for name, w in self.encoder.named_parameters()}
        return body | {"head.weight": self.head.weight.expand(ways, -1), "head.bias": self.head.bias.expand(ways)}

    def rates(self) -> dict[str, Tensor]:
        """The step size of each weight, broadcast over tasks."""
        return {}

    def score(self, weights: dict[str, Tensor], x: Tensor, support: int) -> Tensor:
        """x (B, n, *shape) under each task's weights -> (B, n, ways)."""
        body = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
        features = self.encode(x, params=body, support=support)
        return features @ weights["head.weight"].mT + weights["head.bias"].unsqueeze(1)

    def descend(self, weights: dict[str, Tensor], loss: Callable[[dict[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        """The inner loop: gradient descent of every task's `weights` on a scalar loss of them."""
        rates, second_order = self.rates(), self.training and not self.first_order
        for _ in range(self.train_steps if self.training else self.test_steps):
            if not self.training:
                weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
            gradients = torch.autograd.grad(
                loss(weights), [*weights.values()], create_graph=second_order, materialize_grads=True
            )
            steps = zip(weights.items(), gradients, strict=True)
            weights = {name: w - rates.get(name, self.inner_lr) * g for (name, w), g in steps}
        return weights

    def adapt(self, episodes: Episodes) -> dict[str, Tensor]:
        """Gradient descent on each support set: the adapted weights of every task."""
        # Under `episode` statistics the queries' images, never their labels, shape every step.
        x = episodes.all_x if self.norm == "episode" else episodes.support_x

        def loss(weights: dict[str, Tensor]) -> Tensor:
            scores = self.score(weights, x, episodes.shots)[:, : episodes.shots]
            # A sum over tasks of their means: the tasks are independent, so each gets its own gradient.
            return F.cross_entropy(scores.flatten(0, 1), episodes.support_y.flatten(), reduction="sum") / episodes.shots

        initial = {k: w.expand(len(episodes), *w.shape) for k, w in self.initial(episodes.ways).items()}
        return self.descend(initial, loss)

    def adapt_to(self, loss: Callable[[Encode], Tensor]) -> Encode:
        """Gradient descent of the encoder alone on any loss of it; the head has no part in that."""

        def under(weights: dict[str, Tensor]) -> Encode:
            body = {name.removeprefix("encoder."): w for name, w in weights.items()}
            return lambda x: self.encode(x.unsqueeze(0), params=body, support=len(x)).squeeze(0)

        with torch.enable_grad():
            initial = {f"encoder.{name}": w.unsqueeze(0) for name, w in self.encoder.named_parameters()}
            return under(self.descend(initial, lambda weights: loss(under(weights))))

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores of the adapted weights: (B, Q, ways)."""
        with torch.enable_grad():
            weights = self.adapt(episodes)
        # Statistics that the support has a part in need its samples in the same pass.
        x = episodes.all_x if self.norm in ("episode", "support") else episodes.query_x
        return self.score(weights, x, episodes.shots)[:, -episodes.query_x.shape[1] :]
