import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from benchbench import Rng
from benchbench_standard.protocols.parts import Features, OnFeatures

RATES = [0.01, 0.03, 0.1, 0.3, 1.0]


class LinearProbe(OnFeatures):
    """A linear classifier on frozen features by SGD with momentum 0.9, its learning rate falling to zero along a cosine
    (Chen et al. 2020, arXiv 2002.05709, appendix B.6; standardised features as in He et al. 2022, arXiv 2111.06377).

    One classifier is trained for each of `lr`, for `epochs` on the same batches with `weight_decay`, and the best on
    the select part is scored (as Oquab et al. 2023, arXiv 2304.07193, train their grids).
    """

    def __init__(
        self,
        *,
        lr: Annotated[list[PositiveFloat], Field(min_length=1)] = RATES,
        epochs: PositiveInt = 50,
        batch_size: PositiveInt = 256,
        weight_decay: NonNegativeFloat = 0.0,
        scale: Literal["none", "unit", "standard"] = "standard",
        **amount: Any,
    ):
        super().__init__(scale=scale, **amount)
        self.lr, self.epochs, self.batch_size, self.weight_decay = lr, epochs, batch_size, weight_decay

    def classify(self, features: Features, rng: Rng) -> Tensor:
        """Train all classifiers; the chosen one's predictions."""
        weight, bias = self._train(features.fit_x, features.fit_y, features.classes, rng)
        hits = ((features.select_x @ weight + bias).argmax(2) == features.select_y).sum(1)
        # A loss that ran off to infinity predicts one class alone, and is never the best of several.
        best = int(hits.argmax())
        return (features.test_x @ weight[best] + bias[best]).argmax(1)

    def _train(self, x: Tensor, y: Tensor, classes: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Weights (rates, dim, classes) and biases (rates, 1, classes), from zero."""
        rates = torch.tensor(self.lr, dtype=x.dtype, device=x.device).view(-1, 1, 1)
        parameters = [
            torch.zeros(len(rates), n, classes, dtype=x.dtype, device=x.device, requires_grad=True)
            for n in (x.shape[1], 1)
        ]
        momenta = [torch.zeros_like(p) for p in parameters]
        steps, step = self.epochs * math.ceil(len(x) / self.batch_size), 0
        for epoch in range(self.epochs):
            order = torch.randperm(len(x), generator=rng.child(epoch).cpu).to(x.device)
            for batch in order.split(self.batch_size):
                logits = x[batch] @ parameters[0] + parameters[1]
                # Summed over classifiers, so that each has the gradient of its own mean loss.
                loss = F.cross_entropy(logits.flatten(0, 1), y[batch].repeat(len(rates))) * len(rates)
                gradients = torch.autograd.grad(loss, parameters)
                now = 0.5 * (1 + math.cos(math.pi * step / steps)) * rates
                with torch.no_grad():
                    for p, momentum, gradient in zip(parameters, momenta, gradients, strict=True):
                        momentum.mul_(0.9).add_(gradient + self.weight_decay * p)
                        p -= now * momentum
                step += 1
        return parameters[0].detach(), parameters[1].detach()
