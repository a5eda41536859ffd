"""Protocols on annotated images: a head learns on the encoder's feature maps, and the encoder with it."""

import copy
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from benchbench import Backbone, BenchbenchError, Protocol, Rng, Target, Trained, seeded_globals


class OnScenes(Protocol):
    """All annotated images of the fit part are used, or `shots` of them, for `steps` of AdamW along a cosine to zero.
    Images keep their own size. `encoder_lr` times `lr` is the encoder's rate; `frozen` leaves it as it is, and its
    norms their running averages.

    Metrics of a whole test set belong to no single image. The values that are kept are each image's influence on the
    metric (jackknife, Efron & Stein 1981): their mean is the metric itself, their spread gives its interval, and
    methods are compared image by image.
    """

    requires = frozenset({"feature_maps"})
    neutral: ClassVar = {"frozen": False}
    annotation: str

    def __init__(
        self,
        *,
        shots: PositiveInt | None = None,
        steps: PositiveInt = 200,
        batch_size: PositiveInt = 8,
        lr: PositiveFloat = 2e-3,
        encoder_lr: PositiveFloat = 0.5,
        frozen: bool = False,
        width: PositiveInt = 64,
    ):
        self.shots, self.steps, self.batch_size = shots, steps, batch_size
        self.lr, self.encoder_lr, self.frozen, self.width = lr, encoder_lr, frozen, width

    def check(self, target: Target) -> None:
        """The target needs annotations, and enough images."""
        target.check_annotated(self.annotation, self.shots)

    @abstractmethod
    def loss(self, model: nn.Module, target: Target, rows: np.ndarray) -> Tensor:
        """The scalar loss on some images of the fit part."""

    def learn(self, model: nn.Module, encoder: Backbone, target: Target, rows: np.ndarray, rng: Rng) -> None:
        """Train `model`, which holds `encoder`, on images of the fit part."""
        own = {id(p) for p in encoder.parameters()}
        groups: list[dict[str, Any]] = [{"params": [p for p in model.parameters() if id(p) not in own], "lr": self.lr}]
        if self.frozen:
            encoder.requires_grad_(False)
        else:
            groups.append({"params": list(encoder.parameters()), "lr": self.lr * self.encoder_lr})
        optimiser = torch.optim.AdamW(groups, self.lr)
        rates = [group["lr"] for group in optimiser.param_groups]
        batches: list[Tensor] = []
        size = min(self.batch_size, len(rows))
        model.train()
        encoder.train(not self.frozen)
        with seeded_globals(rng.child("steps"), target.device):
            for step in range(self.steps):
                if not batches:
                    order = torch.randperm(len(rows), generator=rng.child("order", step).cpu)
                    # A rest would train on few images as much as a batch on many.
                    batches = [part for part in order.split(size) if len(part) == size]
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
                optimiser.zero_grad(set_to_none=True)
                self.loss(model, target, rows[batches.pop().numpy()]).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 10.0)
                optimiser.step()
        model.eval()


class Maps(nn.Module):
    """The feature maps of an encoder that heads work on, by stride ascending."""

    def __init__(self, encoder: Backbone, x: Tensor, strides: Sequence[int]):
        super().__init__()
        self.encoder = encoder
        with torch.no_grad():
            found = self.encoder.eval().feature_maps(x)  # type: ignore[operator]
        self.strides = sorted(s for s in found if s in strides) or sorted(found)
        self.channels = [found[s].shape[1] for s in self.strides]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (N, C, H, W) -> {stride: (N, channels, H / stride, W / stride)}, in a stable order."""
        maps = self.encoder.feature_maps(x)  # type: ignore[operator]
        return {str(stride): maps[stride] for stride in self.strides}


def maps_of(trained: Trained, target: Target, rows: np.ndarray, strides: Sequence[int]) -> Maps:
    """The maps of a copy of the encoder at some strides; at all that it has where it has none of these. Raises
    BenchbenchError for an encoder without maps."""
    encoder = trained.encoder_for(target)
    if not hasattr(encoder, "feature_maps"):
        name = type(encoder).__name__
        raise BenchbenchError(f"backbone {name} has no feature maps, which detection and segmentation work on")
    return Maps(copy.deepcopy(encoder), target.scenes(rows[:1]), strides)


def influence(whole: float, without: Sequence[float]) -> list[float]:
    """What each image adds to a metric: `without` holds the metric of all other images. The mean is `whole`."""
    n = len(without)
    if n == 1:
        return [whole]
    middle = math.fsum(without) / n
    return [whole + (n - 1) * (middle - value) for value in without]
