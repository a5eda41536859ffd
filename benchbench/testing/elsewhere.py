"""A device other than the CPU, for machines that have none: it calls itself `meta`, but its tensors hold data.

With only a CPU, a tensor made on the wrong device goes unnoticed. Here, mixing devices fails as it does on a GPU,
values can be read, and random draws come from the stream's CPU generator.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from benchbench.rng import Rng

ELSEWHERE = torch.device("meta")
INDEXING = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default}


class _There(Tensor):
    """A tensor on the other device; `held` has its data on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "_There":
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=ELSEWHERE,
            requires_grad=held.requires_grad,
        )
        made.held = held.detach()
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"there({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _run(function, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Tensors to be made on the other device are made here, with data."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and importing the compiler takes seconds."""
        return False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """Conversions between Python numbers and tensors, which dispatch modes do not see."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is Tensor.tolist and isinstance(args[0], _There):
            return args[0].held.tolist()
        if function is Tensor.new_tensor and isinstance(args[0], _There) and "device" not in kwargs:
            return there(torch.tensor(*args[1:], **{"dtype": args[0].dtype, **kwargs}))
        device = kwargs.get("device")
        if function in (torch.tensor, torch.as_tensor) and device is not None and torch.device(device) == ELSEWHERE:
            return there(function(*args, **{**kwargs, "device": "cpu"}))
        return function(*args, **kwargs)


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    away = [leaf for leaf in leaves if isinstance(leaf, _There)]
    to = kwargs.get("device")
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    # As on a GPU, numbers and indices may lie on the CPU.
    judged = leaves[:1] if function in INDEXING else leaves
    if away and not moves and any(not isinstance(leaf, _There) and leaf.dim() for leaf in judged):
        raise RuntimeError(f"{function} mixes tensors of two devices")
    there = (torch.device(to) == ELSEWHERE) if to is not None else bool(away)
    if moves and function is torch.ops.aten.copy_.default:
        there = isinstance(args[0], _There)
    if to is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(_here, (args, kwargs))
    out = function(*plain_args, **plain_kwargs)
    if not there:
        return out
    return tree_map(lambda leaf: _wrapped(leaf, args), out)


def _here(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, _There) else leaf


def _wrapped(leaf: Any, args: Any) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    for given in tree_flatten(args)[0]:
        # An in-place operation returns its argument.
        if isinstance(given, _There) and given.held is leaf:
            return given
    return _There(leaf)


class _Stream(Rng):
    """A stream whose generator on the other device is the CPU's."""

    def on(self, device: torch.device | str) -> torch.Generator:
        """The CPU generator for both."""
        return super().on("cpu" if torch.device(device) == ELSEWHERE else device)

    def child(self, *path: object) -> "Rng":
        """The stream below this one."""
        return _Stream(*self.path, *path)


def stream(*path: object) -> Rng:
    """A stream that serves the other device."""
    return _Stream(*path)


def there(x: Tensor) -> Tensor:
    """A copy of a tensor on the other device."""
    return _There(x.detach().clone())


def move(modules: Iterable[nn.Module]) -> None:
    """Move parameters and buffers, as ``module.to(device)`` does."""
    for part in (m for module in modules for m in module.modules()):
        for name, w in part._parameters.items():
            if w is not None:
                part._parameters[name] = nn.Parameter(there(w), w.requires_grad)
        for name, b in part._buffers.items():
            if b is not None:
                part._buffers[name] = there(b)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Run a block that computes on the other device."""
    with _Literals(), _Factories():
        yield
