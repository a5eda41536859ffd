"""What a component must leave alone: global generators, its inputs, other modules' state."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from benchbench.testing.subjects import Fault


def _numpy_state() -> tuple[bytes, int]:
    state = np.random.get_state(legacy=True)
    return state[1].tobytes(), int(state[2])  # type: ignore[union-attr,index]


@contextmanager
def own_draws_only(what: str, *modules: nn.Module) -> Iterator[None]:
    """Raise Fault if the block advances a global generator. Torch's may advance if one of `modules` has dropout, which
    takes no generator: the core seeds torch's before every step."""
    dropout = any(isinstance(m, _DropoutNd) for module in modules for m in module.modules())
    states = random.getstate(), _numpy_state(), torch.random.get_rng_state()
    yield
    moved = [
        name
        for name, still in (
            ("Python's", random.getstate() == states[0]),
            ("NumPy's", _numpy_state() == states[1]),
            ("torch's", dropout or torch.equal(torch.random.get_rng_state(), states[2])),
        )
        if not still
    ]
    if moved:
        raise Fault(
            f"{what} draws from {' and '.join(moved)} global generator: draw from the `rng` it is handed instead "
            "(rng.on(device) or rng.cpu for torch, rng.numpy, rng.choices)"
        )


@contextmanager
def unchanged(what: str, advice: str, **tensors: Tensor) -> Iterator[None]:
    """Raise Fault if the block changes one of `tensors` in place."""
    before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    yield
    for name, tensor in tensors.items():
        if not torch.equal(tensor, before[name]):
            raise Fault(f"{what} changes {name.replace('_', ' ')} in place: {advice}")


@contextmanager
def own_state_kept(what: str, **modules: nn.Module) -> Iterator[None]:
    """Raise Fault if the block changes weights, buffers, gradients or the training mode of `modules`."""
    before = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in modules.items()}
    modes = {n: [part.training for part in m.modules()] for n, m in modules.items()}
    yield
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            if not torch.equal(value, before[name][key]):
                raise Fault(f"{what} changes the {name}'s {key}: work on copies, and leave its own state as it was")
        if any(w.grad is not None for w in module.parameters()):
            raise Fault(f"{what} leaves gradients on the {name}: use torch.autograd.grad, not .backward()")
        if [part.training for part in module.modules()] != modes[name]:
            raise Fault(f"{what} switches the {name} between training and evaluation mode: switch it back")


@torch.no_grad()
def descend(groups: Iterable[dict[str, Any]]) -> None:
    """A step of plain gradient descent, at a rate of 0.1 or a group's own. Torch's optimisers import a compiler, which
    takes longer than all checks together."""
    for group in groups:
        for weight in group["params"]:
            if weight.grad is not None:
                weight -= group.get("lr", 0.1) * weight.grad
                weight.grad = None


def through_safetensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's state as a checkpoint restores it. Raises Fault for state that is not a tensor."""
    state = module.state_dict()
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise Fault(
                f"its state dict holds {key!r}, a {type(value).__name__}: checkpoints are safetensors, which hold "
                "tensors alone: keep it in a buffer"
            )
    return load(save({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}))


@contextmanager
def float64() -> Iterator[None]:
    """Run a block with float64 as the default, so that rounding hides nothing."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
