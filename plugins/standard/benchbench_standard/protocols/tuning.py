"""Training an encoder, or a head on it, on few or many labelled images: what fine-tuning protocols share."""

import copy
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from benchbench import Backbone, BenchbenchError, Protocol, Rng, seeded_globals


class Tuning(Protocol):
    """The recipe: the `optimiser` named, with `momentum` and `dampening` where it is SGD, its rate `lr` along the
    `schedule`; `steps`, or `epochs` over the images, of batches of `batch_size` (of all images where it is None).

    `layers` says whether all of the encoder learns or the ``head`` alone, on features that stay; the first `frozen`
    modules with weights, in the order in which they run, never learn. Towards the input each module's rate is
    `layer_decay` times the next one's (Clark et al. 2020, arXiv 2003.10555), the head's is `head_lr`. Batch norms learn
    by batch statistics and are tested by running ones. Images are taken as they are, without augmentation.
    """

    def __init__(
        self,
        *,
        steps: PositiveInt | None = None,
        epochs: PositiveInt | None = None,
        batch_size: PositiveInt | None = 64,
        optimiser: Literal["sgd", "adam", "adamw"] = "sgd",
        lr: PositiveFloat = 0.01,
        head_lr: PositiveFloat | None = None,
        momentum: NonNegativeFloat = 0.9,
        dampening: NonNegativeFloat = 0.0,
        weight_decay: NonNegativeFloat = 0.0,
        schedule: Literal["constant", "cosine"] = "cosine",
        layers: Literal["all", "head"] = "all",
        frozen: Annotated[int, Field(ge=0)] = 0,
        layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0,
        head: Literal["linear", "weight-norm"] = "linear",
        **rest: Any,
    ):
        super().__init__(**rest)
        if (steps is None) == (epochs is None):
            raise BenchbenchError("fine-tuning needs exactly one of the settings 'steps' and 'epochs'")
        self.steps, self.epochs, self.batch_size = steps, epochs, batch_size
        self.optimiser, self.lr, self.head_lr = optimiser, lr, head_lr or lr
        self.momentum, self.dampening = momentum, dampening
        self.weight_decay, self.schedule = weight_decay, schedule
        self.layers, self.frozen, self.layer_decay, self.head = layers, frozen, layer_decay, head

    def tuned(
        self, encoder: Backbone, images: Callable[[Tensor], Tensor], y: Tensor, classes: int, rng: Rng
    ) -> Callable[[Tensor], Tensor]:
        """Learn labels y (n,): `images` gives those at some places below n. Returns what maps images (m, *shape) to
        logits (m, classes). `encoder` stays as it is."""
        with seeded_globals(rng, y.device):
            head = self._head(encoder.dim, classes).to(y.device)
            if self.layers == "head":
                everything = torch.arange(len(y))
                x = torch.cat([_features(encoder, images(part)) for part in everything.split(256)])
                self._learn(head, [{"params": list(head.parameters()), "lr": self.head_lr}], lambda at: x[at], y, rng)
                return lambda images: head(_features(encoder, images))
            encoder = copy.deepcopy(encoder)
            model = nn.Sequential(encoder, head).train()
            groups = self._groups(encoder, images(torch.arange(1)))
            groups.append({"params": list(head.parameters()), "lr": self.head_lr})
            self._learn(model, groups, images, y, rng)
            model.eval()
            return lambda images: torch.cat([_features(model, part) for part in images.split(256)])

    def _head(self, dim: int, classes: int) -> nn.Module:
        head = nn.Linear(dim, classes)
        return weight_norm(head) if self.head == "weight-norm" else head

    def _groups(self, encoder: Backbone, x: Tensor) -> list[dict[str, Any]]:
        """Parameters by module, from the input on, each with its rate. Frozen modules leave training mode, and no
        gradient is taken back into them."""
        ordered = running_order(encoder, x)
        for module in ordered[: self.frozen]:
            module.eval()
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
        learning = ordered[self.frozen :]
        return [
            {"params": list(module.parameters(recurse=False)), "lr": self.lr * self.layer_decay ** (len(learning) - i)}
            for i, module in enumerate(learning)
        ]

    def _learn(
        self, model: nn.Module, groups: list[dict[str, Any]], images: Callable[[Tensor], Tensor], y: Tensor, rng: Rng
    ) -> None:
        optimiser = self._optimiser(groups)
        rates = [group["lr"] for group in optimiser.param_groups]
        size = min(self.batch_size or len(y), len(y))
        steps = self.steps or (self.epochs or 0) * math.ceil(len(y) / size)
        batches: list[Tensor] = []
        for step in range(steps):
            if not batches:
                batches = list(torch.randperm(len(y), generator=rng.child("order", step).cpu).split(size))
            at = batches.pop(0)
            if len(at) == 1 < len(y):
                # Batch norm has no statistics of one image: it comes with the first ones again.
                at = torch.cat([at, (at + 1) % len(y)])
            factor = 0.5 * (1 + math.cos(math.pi * step / steps)) if self.schedule == "cosine" else 1.0
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(model(images(at)), y[at.to(y.device)]).backward()
            optimiser.step()

    def _optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        if self.optimiser == "sgd":
            return torch.optim.SGD(groups, self.lr, self.momentum, self.dampening, self.weight_decay)
        kind = torch.optim.AdamW if self.optimiser == "adamw" else torch.optim.Adam
        return kind(groups, self.lr, weight_decay=self.weight_decay)


@torch.no_grad()
def _features(module: nn.Module, x: Tensor) -> Tensor:
    return module(x)


def running_order(encoder: nn.Module, x: Tensor) -> list[nn.Module]:
    """The modules of an encoder that own weights, in the order in which they first run on x (N, *shape)."""
    seen: list[nn.Module] = []

    def note(module: nn.Module, _: Any) -> None:
        if module not in seen:
            seen.append(module)

    owners = [m for m in encoder.modules() if next(m.parameters(recurse=False), None) is not None]
    hooks = [m.register_forward_pre_hook(note) for m in owners]
    training = encoder.training
    try:
        # One image has no batch statistics.
        _features(encoder.eval(), x)
    finally:
        encoder.train(training)
        for hook in hooks:
            hook.remove()
    return seen
