"""Batch norm whose gradient is differentiated in closed form.

Torch breaks the second derivative of batch norm into some thirty passes over the samples, which took a third of a
second-order MAML step. Written out, it is four sums and five passes. Value and gradient are those of torch's kernels.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_kernel = torch.ops.aten.native_batch_norm_backward


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """``F.batch_norm`` in training mode without running averages: x (N, C, H, W), weight and bias (C,) -> (N, C, H, W).

    It can be differentiated twice; torch raises RuntimeError the third time.
    """
    return _Norm.apply(x, weight, bias, eps)


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        y, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        x, weight, mean, inverse = ctx.saved_tensors
        return *_NormSlopes.apply(_laid_as(x, slopes[0]), x, weight, mean, inverse, ctx.eps), None


class _NormSlopes(Function):
    """The gradient g of a batch norm's output -> those of x, weight and bias.

    With h = (x - mean) i, i = 1 / standard deviation, w = weight and n samples a channel, they are
    w i (g - mean(g) - h mean(g h)), sum(g h) and sum(g).
    """

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = _kernel(g, x, weight, None, None, mean, inverse, True, eps, [True, True, True])
        ctx.save_for_backward(g, x, weight, mean, inverse, *found[1:])
        ctx.eps = eps
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:
        """Slopes u, a, b of what forward returns -> those of g, x and weight. `mean` and `inverse` are functions of x,
        so the slope of x includes what flows through them."""
        g, x, weight, mean, inverse, g_h, g_sum = ctx.saved_tensors
        u, a, b = _laid_as(x, slopes[0]), *slopes[1:]
        n = x.numel() // x.shape[1]
        # Means over the samples of a channel: of u, of g, and of each times h.
        _, u_h, u_sum = _kernel(u, x, weight, None, None, mean, inverse, True, ctx.eps, [False, True, True])
        u_h, u_mean, g_h, g_mean = u_h / n, u_sum / n, g_h / n, g_sum / n
        # <u, slope of x> = w i common
        common = (single(u) * g).sum((0, 2, 3)) - n * (u_mean * g_mean + u_h * g_h)
        along_g, along_u = a - weight * inverse * u_h, -weight * inverse * g_h  # the slope of h
        for_g = _combined(x, mean, inverse, along_g, b - weight * inverse * u_mean, (weight * inverse, u))
        of_h = -inverse * (along_g * g_h + along_u * u_h) - weight * inverse.square() * common / n
        constant = -inverse * (along_g * g_mean + along_u * u_mean)
        for_x = _combined(x, mean, inverse, of_h, constant, (inverse * along_g, g), (inverse * along_u, u))
        return for_g, for_x, inverse * common, None, None, None


def _combined(
    x: Tensor, mean: Tensor, inverse: Tensor, of_h: Tensor, constant: Tensor, *others: tuple[Tensor, Tensor]
) -> Tensor:
    """of_h h + constant + the other factors times their tensors, all factors (C,)."""
    factor = of_h * inverse
    total = torch.addcmul(_wide(constant - factor * mean), x, _wide(factor))
    for scale, other in others:
        total.addcmul_(other, _wide(scale))
    return total


def single(x: Tensor) -> Tensor:
    """x, in float32 if it is in half precision, in which nothing should be added up."""
    return x.float() if x.dtype.itemsize < 4 else x


def _wide(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)


def _laid_as(x: Tensor, slope: Tensor) -> Tensor:
    """`slope` in the memory format of x: if they differ, the kernel is three times slower."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return slope.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
