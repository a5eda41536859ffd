"""How fast work could be at best: its own convolutions and matrix products with nothing between them, and the rate at
which this machine computes large ones."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

#: What a tensor is made again of: shape, strides and type.
Made = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]


class Products(TorchDispatchMode):
    """Notes the convolutions and matrix products of what runs in it, forward and backward, and their FLOPs."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self._calls: list[tuple[Any, Any, Any]] = []
        self._tensors: dict[Made, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=found)
            self._calls.append((func, *tree_map_only(Tensor, self._same, (args, kwargs or {}))))
        return found

    def __call__(self) -> None:
        """Compute them again, one after the other, of other numbers."""
        for func, args, kwargs in self._calls:
            func(*args, **kwargs)

    def _same(self, x: Tensor) -> Tensor:
        made = tuple(x.shape), tuple(x.stride()), x.dtype
        if made not in self._tensors:
            with torch.utils._python_dispatch._disable_current_modes():
                # Expanded ones have strides of 0.
                size = 1 + sum((n - 1) * stride for n, stride in zip(*made[:2], strict=True)) if x.numel() else 0
                like = torch.randn(size).to(x.dtype) if x.is_floating_point() else torch.zeros(size, dtype=x.dtype)
                self._tensors[made] = like.as_strided(*made[:2])
        return self._tensors[made]


def products(work: Callable[[], Any]) -> Products:
    """Those of some work."""
    with Products() as found:
        work()
    return found


@cache
def rate(clock: Callable[[], float], dtype: torch.dtype = torch.float32) -> float:
    """The most FLOPs a second of this machine: large convolutions, forward and backward, and matrix products."""
    with torch.enable_grad():
        best = 0.0
        for work in (_convolution(64, 56, dtype), _convolution(256, 14, dtype), _matrices(2048, dtype)):
            flops = products(work).flops
            for _ in range(5):
                started = clock()
                work()
                best = max(best, flops / (clock() - started))
    return best


def _convolution(channels: int, size: int, dtype: torch.dtype) -> Callable[[], Any]:
    x = torch.randn(16, channels, size, size).to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    w = torch.randn(channels, channels, 3, 3).to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    upstream = torch.ones_like(x)
    return lambda: torch.autograd.grad(F.conv2d(x, w, padding=1), (x, w), upstream)


def _matrices(size: int, dtype: torch.dtype) -> Callable[[], Any]:
    a = torch.randn(size, size).to(dtype)
    return lambda: a @ a
