"""Checkpoints: one safetensors file each, JSON in its header, replaced atomically; nothing is pickled."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from benchbench.store.files import atomic_write


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer | None, state: dict[str, Any]
) -> None:
    """Write the state of `modules` and `optimiser`, and `state`, which must be plain JSON values."""
    tensors = {f"{name}/{k}": v for name, m in modules.items() for k, v in m.state_dict().items()}
    if optimiser is not None:
        for index, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{k}": v for k, v in values.items() if isinstance(v, Tensor)}
    content = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    atomic_write(path, save(content, {"state": json.dumps(state)}))


def read_state(path: Path) -> dict[str, Any]:
    """The `state` of a checkpoint, without its tensors."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["state"])


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer | None = None
) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into `modules` and `optimiser`; returns `state`."""
    state = read_state(path)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, module in modules.items():
        module.load_state_dict({k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")})
    if optimiser is not None:
        content = optimiser.state_dict()
        restored: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser/"):
                _, index, key = name.split("/")
                restored.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": restored, "param_groups": content["param_groups"]})
    return state
