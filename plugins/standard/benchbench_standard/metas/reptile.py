from typing import Any, ClassVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from benchbench import Backbone, Episodes, NormMode, Progress, Rng
from benchbench_standard.metas.heads import task_losses
from benchbench_standard.metas.maml import MAML

#: Adam's decay of squared gradients, and what keeps its step finite.
DECAY, EPSILON = 0.999, 1e-8


class Reptile(MAML):
    """Reptile (Nichol, Achiam & Schulman 2018, arXiv 1803.02999, algorithm 2).

    A task descends by Adam without momentum (beta1 = 0) on mini-batches of *all* its samples, support and query alike;
    the initial weights w then move towards the mean of the adapted ones: w + outer_lr (mean - w), `outer_lr` falling
    linearly to 0. That step is Reptile's own, so the training's optimiser is given a rate of 0 and the difference
    w - mean stands in ``.grad``: no other loss can join it.

    Defaults are the 5-way 1-shot Omniglot recipe of the official code since June 2018: 5 steps on 10 samples each, with
    10 samples a class, shots and queries together, 50 steps at test, Adam at 0.001. Before, it had 12 steps on 5
    samples, 12 samples a class, 86 steps at test and 0.00044. Other than there, Adam's averages begin anew with every
    task, so that a task's result depends on no other; mini-batches are as large at test as in training, where the
    official ones have 5 samples; a head of fewer rows than ways moves by that part of the step; and a query's batch
    statistics are those of the support set, not also its own.
    """

    #: 4: the official recipe of June 2018.
    revision = 4
    #: Everything adapts: MAML's setting is none here.
    neutral: ClassVar = {}

    adapts_to_any_loss = False
    joins_losses = False

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: PositiveFloat = 0.001,
        train_steps: PositiveInt = 5,
        test_steps: PositiveInt = 50,
        inner_batch: PositiveInt = 10,
        outer_lr: PositiveFloat = 1.0,
        head_ways: PositiveInt = 5,
        train_norm: NormMode = "call",
        test_norm: NormMode = "support",
    ):
        super().__init__(
            encoder,
            inner_lr=inner_lr,
            train_steps=train_steps,
            test_steps=test_steps,
            head_ways=head_ways,
            train_norm=train_norm,
            test_norm=test_norm,
        )
        self.inner_batch, self.outer_lr = inner_batch, outer_lr

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group, which the training's optimiser leaves where it is."""
        return [{**group, "lr": 0.0} for group in super().parameter_groups()]

    def after_step(self, progress: Progress) -> None:
        """The outer step: against ``.grad``, by a rate that falls to 0."""
        rate = self.outer_lr * (1 - (progress.step - 1) / progress.steps)
        with torch.no_grad():
            for w in (*self.encoder.parameters(), *self.parameters()):
                if w.grad is not None:
                    w -= rate * w.grad

    def by_adam(self, episodes: Episodes, x: Tensor, y: Tensor, rng: Rng) -> dict[str, Tensor]:
        """`steps` of Adam on mini-batches of x (B, n, *shape), y (B, n): the adapted weights of every task."""
        weights = self.begin(episodes)
        squares = {name: torch.zeros_like(w) for name, w in weights.items()}
        size = min(self.inner_batch, y.shape[1])
        # Passes are laid end to end: a batch may hold the end of one and the beginning of the next.
        orders = rng.choices(y.shape[1], y.shape[1], -(-self.steps * size // y.shape[1])).flatten()
        for step, batch in enumerate(orders.split(size)[: self.steps], 1):
            weights = {name: w.detach().requires_grad_() for name, w in weights.items()}
            loss = task_losses(self.score(weights, x[:, batch], len(batch)), y[:, batch])
            slopes = torch.autograd.grad(loss, [*weights.values()], materialize_grads=True)
            for (name, w), slope in zip(weights.items(), slopes, strict=True):
                squares[name] = DECAY * squares[name] + (1 - DECAY) * slope.square()
                size_of = (squares[name] / (1 - DECAY**step)).sqrt() + EPSILON
                weights[name] = w - self.inner_lr * slope / size_of
        return {name: w.detach() for name, w in weights.items()}

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Scores after `steps` on mini-batches of the support set: (B, Q, ways)."""
        with torch.enable_grad():
            weights = self.by_adam(episodes, episodes.support_x, episodes.support_y, rng)
        return self.query_scores(weights, episodes)

    def backward(self, episodes: Episodes, rng: Rng, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add `weight` times the mean over tasks of (initial - adapted) weights to ``.grad``; the loss and the logits
        are those of the queries after the descent, which saw them."""
        y = torch.cat([episodes.support_y, episodes.labels()], 1)
        adapted = self.by_adam(episodes, episodes.all_x, y, rng)
        with torch.no_grad():
            logits = self.query_scores(adapted, episodes)
            loss = task_losses(logits, episodes.labels()) / len(episodes)
        for name, start in self.begin(episodes).items():
            share = weight / len(episodes)
            if name.startswith("head."):
                share *= min(1, self.head_ways / episodes.ways)
            start.backward(share * (start.detach() - adapted[name]))
        return loss, logits
