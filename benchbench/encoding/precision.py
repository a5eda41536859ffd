"""The precision in which encoders compute while they are trained.

Only what an encoder does between its input and its features is in a lower precision. Weights, features and all that is
built on them are float32: losses, distances, closed-form solvers, inner-loop updates, the optimiser.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from benchbench.errors import BenchbenchError

#: The methods of a backbone that take samples to features.
ENCODING = ("forward", "feature_maps", "tokens", "positions", "encode_tasks")

_lowered: ContextVar[bool] = ContextVar("lowered", default=False)


def check_precision(precision: str, device: str) -> None:
    """Raise BenchbenchError if `device` does not compute in `precision`."""
    if precision == "tf32" and torch.device(device).type != "cuda":
        raise BenchbenchError(
            f"training.precision: tf32 is a precision of CUDA devices, and this is to run on {device}: choose float32, "
            "bfloat16 or --device cuda"
        )


@contextmanager
def encoding_in(precision: str) -> Iterator[None]:
    """Run a block in which every backbone computes in `precision`: ``bfloat16`` is torch's autocast, and ``tf32`` is
    how a CUDA device multiplies float32."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = _lowered.set(precision == "bfloat16"), cuda.allow_tf32, cudnn.allow_tf32
    cuda.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        _lowered.reset(before[0])
        cuda.allow_tf32, cudnn.allow_tf32 = before[1:]


def lowering(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a backbone that obeys `encoding_in`, and gives float32 whatever it computes in."""

    @wraps(method)
    def call(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not _lowered.get():
            return method(self, x, *args, **kwargs)
        # What it calls of itself is then in autocast already.
        inner = _lowered.set(False)
        try:
            with torch.autocast(x.device.type, torch.bfloat16):
                return _float32(method(self, x, *args, **kwargs))
        finally:
            _lowered.reset(inner)

    return call


def _float32(found: Any) -> Any:
    """Features, or maps by their stride."""
    return {key: each.float() for key, each in found.items()} if isinstance(found, dict) else found.float()
