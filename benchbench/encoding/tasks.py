"""Running an encoder over tasks, with its own weights or with separate weights for each task."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchbench.encoding.task_norm import NormMode, Statistics, use_statistics


def encode(
    encoder: nn.Module,
    x: Tensor,
    *,
    params: Mapping[str, Tensor] | None = None,
    support: int | None = None,
    norm: NormMode = "running",
    positions: bool = False,
) -> Tensor:
    """Features of B tasks: x (B, n, *shape) -> (B, n, dim), or (B, n, T, dim) of all `positions`, if it provides them.

    `params` maps names of the encoder's parameters to (B, *p) weights, one set per task; parameters it leaves out keep
    the encoder's own values. `support` is how many leading samples are support samples, for ``norm="support"``.
    A task's features never depend on B. Running averages move only if the encoder is in training mode and runs with
    its own weights.
    """
    tasks = len(x)
    if norm == "support" and support is None:
        raise ValueError("norm='support' needs the number of support samples")
    statistics = Statistics(
        running=norm == "running",
        tasks=tasks,
        support=support if norm == "support" else None,
        track=encoder.training and params is None,
    )
    if params is None:
        call: Any = encoder.positions if positions else encoder
        with use_statistics(statistics):
            return call(x.flatten(0, 1)).unflatten(0, (tasks, -1))
    if positions:
        encoder, params = _Positions(encoder), {f"encoder.{name}": weight for name, weight in params.items()}
    grouped = getattr(encoder, "encode_tasks", None)
    if grouped is not None:
        return grouped(x, params, running=statistics.running, support=statistics.support)
    # Fused attention has no second derivative, which gradients through an inner loop need; plain products have.
    attention = sdpa_kernel(SDPBackend.MATH) if torch.is_grad_enabled() else nullcontext()
    with attention, use_statistics(Statistics(running=statistics.running, support=statistics.support)):
        return torch.stack(
            [functional_call(encoder, {k: p[i] for k, p in params.items()}, (x[i],)) for i in range(tasks)]
        )


class _Positions(nn.Module):
    """An encoder of positions alone, for calls under other weights."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) -> (N, T, dim)."""
        return self.encoder.positions(x)  # type: ignore[operator]


def similarity(features: Tensor, prototypes: Tensor, distance: str = "euclidean") -> Tensor:
    """Logits of features (B, Q, dim) for prototypes (B, ways, dim): (B, Q, ways).

    ``euclidean`` is minus the squared distance (Snell et al. 2017, eq. 2); ``cosine`` is the cosine times 10, so that a
    softmax over it is not flat (Chen et al. 2019 scale it too).
    """
    if distance == "cosine":
        return 10 * F.normalize(features, dim=-1) @ F.normalize(prototypes, dim=-1).mT
    return 2 * features @ prototypes.mT - prototypes.square().sum(-1).unsqueeze(-2) - features.square().sum(-1, True)


def class_means(features: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Prototypes: features (B, S, dim) and labels (B, S) -> the mean of each class (B, ways, dim)."""
    membership = F.one_hot(labels, ways).to(features.dtype)
    return membership.mT @ features / membership.sum(1).unsqueeze(-1)
