from collections.abc import Callable
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, Episodes, NormMode, Rng
from benchbench_standard.metas.maml import MAML


class IMAML(MAML):
    """Implicit MAML (Rajeswaran, Finn, Kakade & Levine 2019, arXiv 1909.04630, algorithms 1-2).

    In training a task minimises its mean support loss plus ``strength / 2`` (the paper's lambda) times the squared
    distance to the initial weights. Where that ends, the meta-gradient is (I + H / lambda)^-1 g, with g the gradient of
    the query loss and H the Hessian of the support loss (lemma 1), solved by `cg_steps` of conjugate gradients: no
    inner step is differentiated. As in the official code what is solved is damped,

        ((1 + `shift`) I + H / (strength + `damping`)) x = g,

    which by default is (2 I + H / 12); 0 and 0 are the paper's. At test the proximal term has `test_strength`, 0 in the
    official Omniglot run. Gradient descent solves the inner problem, as the paper's first-order variant does; its own
    best numbers use a Hessian-free one. Defaults are its Omniglot settings.
    """

    #: 4: the damped system, and no proximal term at test.
    revision = 4
    #: Everything adapts: MAML's setting is none here.
    neutral: ClassVar = {}

    adapts_to_any_loss = False
    test_settings = frozenset({"test_norm", "test_steps", "test_strength"})

    def __init__(
        self,
        encoder: Backbone,
        *,
        inner_lr: PositiveFloat = 0.1,
        train_steps: PositiveInt = 16,
        test_steps: PositiveInt = 16,
        strength: PositiveFloat = 2.0,
        test_strength: NonNegativeFloat = 0.0,
        cg_steps: PositiveInt = 5,
        shift: NonNegativeFloat = 1.0,
        damping: NonNegativeFloat = 10.0,
        head_ways: PositiveInt = 5,
        train_norm: NormMode = "call",
        test_norm: NormMode = "call",
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
        self.strength, self.test_strength = strength, test_strength
        self.cg_steps, self.shift, self.damping = cg_steps, shift, damping

    def adapt(self, episodes: Episodes) -> dict[str, Tensor]:
        """Gradient descent on the proximal problem of each task: leaves, with no graph to the initial weights."""
        start = {name: w.detach() for name, w in self.begin(episodes).items()}
        weights = {name: w.clone().requires_grad_() for name, w in start.items()}
        pull = self.strength if self.training else self.test_strength
        for _ in range(self.steps):
            slopes = self.slopes(weights, episodes)
            weights = {
                name: (w - self.inner_lr * (slopes[name] + pull * (w - start[name]))).detach().requires_grad_()
                for name, w in weights.items()
            }
        return weights

    def backward(self, episodes: Episodes, rng: Rng, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the implicit meta-gradient of `weight` times the mean query loss to ``.grad``."""
        adapted = self.adapt(episodes)
        leaves = [*adapted.values()]
        logits = self.query_scores(adapted, episodes)
        loss = F.cross_entropy(logits.flatten(0, 1), episodes.labels().flatten())
        outer = flatten(torch.autograd.grad(loss, leaves, materialize_grads=True))
        slopes = flatten([*self.slopes(adapted, episodes, create_graph=True).values()])

        def curved(v: Tensor) -> Tensor:
            product = torch.autograd.grad(slopes, leaves, v, retain_graph=True, materialize_grads=True)
            return (1 + self.shift) * v + flatten(product) / (self.strength + self.damping)

        # What multiplies the initial weights here is their meta-gradient.
        direction = conjugate_gradients(curved, outer, self.cg_steps)
        (weight * (flatten([*self.begin(episodes).values()]) * direction).sum()).backward()
        return loss.detach(), logits.detach()


def flatten(parts: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """(B, *shape) each -> one vector a task, (B, P)."""
    return torch.cat([part.reshape(len(part), -1) for part in parts], 1)


def conjugate_gradients(apply: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """`steps` of conjugate gradients from 0 for one system a row: `apply` multiplies (B, P) by its symmetric positive
    definite matrices -> x with apply(x) ~ b. Rows that are solved stay as they are."""
    x, r = torch.zeros_like(b), b.clone()
    p, rr = r, r.square().sum(1, keepdim=True)
    for _ in range(steps):
        image = apply(p)
        curvature = (p * image).sum(1, keepdim=True)
        alpha = torch.where(curvature > 0, rr / curvature, 0)
        x, r = x + alpha * p, r - alpha * image
        before, rr = rr, r.square().sum(1, keepdim=True)
        p = r + torch.where(before > 0, rr / before, 0) * p
    return x
