"""What learners that fit a linear head on each support set share."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import Rng, class_means


def task_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """The sum over tasks of their mean cross-entropies: scores (B, n, ways), labels (B, n) -> a scalar. The tasks are
    independent, so each task's weights get the gradient of its own mean."""
    return F.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="sum") / labels.shape[1]


def prototype_head(features: Tensor, labels: Tensor, ways: int) -> tuple[Tensor, Tensor]:
    """The linear head that scores as the nearest class mean does (Snell et al. 2017, eq. 8): features (B, S, dim) ->
    weight 2 mu (B, ways, dim), bias -|mu|^2 (B, ways)."""
    means = class_means(features, labels, ways)
    return 2 * means, -means.square().sum(-1)


def rows(values: Tensor, ways: int) -> Tensor:
    """What `ways` classes begin with where (rows, ...) are learned: the first rows, and their mean beyond them."""
    beyond = values.mean(0, keepdim=True).expand(max(0, ways - len(values)), *values.shape[1:])
    return torch.cat([values[:ways], beyond])


def linear(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Scores of each task's head: (B, n, dim), (B, ways, dim), (B, ways) -> (B, n, ways)."""
    return features @ weight.mT + bias.unsqueeze(1)


def mini_batches(samples: int, size: int, epochs: int, rng: Rng) -> Iterator[Tensor]:
    """Positions of `epochs` passes over `samples` in random order, the same for every task; the last batch of a pass
    may be smaller."""
    for order in rng.choices(samples, samples, epochs):
        yield from order.split(size)
