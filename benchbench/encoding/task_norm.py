"""Batch norm with explicit statistics.

Which samples a batch norm averages over decides whether a few-shot result is transductive, so the caller states it and
it is recorded, never left to ``module.training``. The modes (`NormMode`):

- ``running``: the running averages of training; a sample's features depend on no other sample.
- ``call``: the samples of each forward call of a task (official MAML); transductive.
- ``episode``: support and query of a task together (ProtoNet in training); transductive.
- ``support``: the first `support` samples of a task, for all its samples; inductive.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from benchbench.encoding.batch_norm import batch_norm, single
from benchbench.errors import BenchbenchError

NormMode = Literal["running", "call", "episode", "support"]


@dataclass(frozen=True)
class Statistics:
    """What `TaskNorm` averages over: `tasks` equal groups of samples, each over all of its samples or its first
    `support`; with `running`, nothing. `track` updates the running averages."""

    running: bool = False
    tasks: int = 1
    support: int | None = None
    track: bool = False


_statistics: ContextVar[Statistics | None] = ContextVar("statistics", default=None)


@contextmanager
def use_statistics(statistics: Statistics) -> Iterator[None]:
    """Run a block in which every `TaskNorm` uses `statistics`."""
    token = _statistics.set(statistics)
    try:
        yield
    finally:
        _statistics.reset(token)


class TaskNorm(_BatchNorm):
    """A batch norm over (N, C, *) that takes its statistics from `use_statistics`; outside such a block it behaves
    like torch's own. Parameters, buffers and their names are those of ``nn.BatchNorm2d``."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (N, C, ...), got {tuple(input.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, *) -> (N, C, *)."""
        how = _statistics.get()
        if how is None:
            return super().forward(x)
        if how.running and self.running_mean is not None:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        if how.support is None:
            return self._task_by_task(x, how)
        return self._on_support(x, how)

    def _task_by_task(self, x: Tensor, how: Statistics) -> Tensor:
        """Torch's fused kernel for each task: twice as fast as one formula over all of them."""
        parts, means, variances = [], [], []
        # A single chunk, the whole of x, would be copied in the backward pass.
        for part in x.chunk(how.tasks) if how.tasks > 1 else [x]:
            mean = variance = None
            if how.track and self.running_mean is not None and self.running_var is not None:
                mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
                means.append(mean)
                variances.append(variance)
            # With momentum 1 the kernel leaves this task's own mean and unbiased variance in its buffers.
            parts.append(F.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps))
        if means:
            self._track(torch.stack(means).mean(0), torch.stack(variances).mean(0))
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _on_support(self, x: Tensor, how: Statistics) -> Tensor:
        tasks = x.reshape(how.tasks, -1, *x.shape[1:])  # (T, n, C, *)
        seen = single(tasks[:, : how.support])
        variance, mean = torch.var_mean(seen, [1, *range(3, tasks.dim())], correction=0, keepdim=True)
        if how.track:
            count = seen[0].numel() // self.num_features
            self._track(mean.mean(0).flatten(), variance.mean(0).flatten() * (count / max(count - 1, 1)))
        scale = (variance + self.eps).rsqrt()
        shift = -mean * scale
        if self.affine:
            width = (self.num_features, *[1] * (x.dim() - 2))
            scale, shift = scale * self.weight.view(width), shift * self.weight.view(width) + self.bias.view(width)
        return torch.addcmul(shift, tasks, scale).view_as(x).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running averages towards the tasks' means and unbiased variances, averaged over tasks."""
        if self.running_mean is None or self.running_var is None:
            return
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def convert_norm(module: nn.Module) -> nn.Module:
    """Replace every torch batch norm in `module` with a `TaskNorm` of the same state; returns the module. Raises
    BenchbenchError for a subclass that does more than torch's, which would be lost."""
    if isinstance(module, _BatchNorm) and not isinstance(module, TaskNorm):
        kind = type(module)
        if kind.forward not in (_BatchNorm.forward, nn.SyncBatchNorm.forward):
            raise BenchbenchError(
                f"{kind.__module__}.{kind.__qualname__} does more than normalise, which replacing it with a batch norm "
                "that knows tasks would lose: give the backbone torch's batch norms, and what follows as modules of "
                "their own"
            )
        like = module.weight if module.affine else module.running_mean
        norm = TaskNorm(
            module.num_features,
            module.eps,
            module.momentum,
            module.affine,
            module.track_running_stats,
            device=None if like is None else like.device,
            dtype=None if like is None else like.dtype,
        ).train(module.training)
        norm.load_state_dict(module.state_dict())
        return norm
    for name, child in module.named_children():
        setattr(module, name, convert_norm(child))
    return module


def has_norm(module: nn.Module) -> bool:
    """Whether `module` contains any batch norm, whose statistics could make a result transductive."""
    return any(isinstance(m, _BatchNorm) for m in module.modules())


def task_batch_norm(
    x: Tensor, norm: Any, weight: Tensor, bias: Tensor, *, running: bool, support: int | None = None
) -> Tensor:
    """Batch norm of T tasks laid side by side in the channel dimension, each with its own scale and shift.

    x (n, T*C, H, W); weight and bias (T, C), task by task; `norm` gives epsilon and, with `running`, the averages.
    Each task has channels of its own and so its own statistics: over its n samples, or its first `support`.
    """
    tasks = len(weight)
    if running:
        mean, variance = norm.running_mean.repeat(tasks), norm.running_var.repeat(tasks)
        return F.batch_norm(x, mean, variance, weight.flatten(), bias.flatten(), False, 0.0, norm.eps)
    if support is None:
        return batch_norm(x, weight.flatten(), bias.flatten(), norm.eps)
    variance, mean = torch.var_mean(single(x[:support]), (0, 2, 3), correction=0)
    scale = weight.flatten() * (variance + norm.eps).rsqrt()
    shift = bias.flatten() - mean * scale
    return torch.addcmul(shift.view(1, -1, 1, 1), x, scale.view(1, -1, 1, 1)).to(x.dtype)
