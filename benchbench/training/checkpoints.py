"""Checkpoints: one safetensors file each, JSON in its header, replaced atomically; nothing is pickled.

The header also holds whose file it is and a digest of everything in it, so none is taken for another or for whole.
"""

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from benchbench.errors import BenchbenchError, StorageError
from benchbench.store.files import Store, atomic_write

log = logging.getLogger("benchbench.training")
Modules = dict[str, nn.Module]
Tensors = dict[str, Tensor]
T = TypeVar("T")


class Damaged(BenchbenchError):
    """A checkpoint that cannot be used: cut short, altered, or not the one that its place says."""

    def __init__(self, path: Path, why: str):
        super().__init__(f"checkpoint {path} is damaged: {why}")


def save_checkpoint(
    path: Path, modules: Modules, optimiser: torch.optim.Optimizer | None, state: dict[str, Any], key: str = ""
) -> None:
    """Write the state of `modules` and `optimiser`, and `state`, which must be plain JSON values. A stage's checkpoint
    is given the `key` of its stage, and is then bound to it and to its own name. Raises StorageError."""
    tensors = named(modules)
    if optimiser is not None:
        for index, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{k}": v for k, v in values.items() if isinstance(v, Tensor)}
    content = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    about = {"state": json.dumps(state)} | ({"key": key, "kind": path.stem} if key else {})
    atomic_write(path, save(content, about | {"digest": _digest(about, content)}))


def read_state(path: Path, key: str = "") -> dict[str, Any]:
    """The `state` of a checkpoint, which is read and checked as a whole; raises what `read_checkpoint` does."""
    return read_checkpoint(path, key)[0]


def load_checkpoint(
    path: Path, modules: Modules, optimiser: torch.optim.Optimizer | None = None, key: str = ""
) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into `modules` and `optimiser`; returns `state`. Raises what `read_checkpoint`
    does, and Damaged for other tensors than these modules have; nothing is loaded then."""
    state, tensors = read_checkpoint(path, key)
    _check_tensors(path, modules, tensors)
    restore(tensors, modules, optimiser)
    return state


def read_checkpoint(path: Path, key: str = "") -> tuple[dict[str, Any], Tensors]:
    """The state and the tensors of a checkpoint, read once and checked against their digest and, if `key` is given,
    against the stage and the name that they were saved for. Raises Damaged, and OSError for a file that is not there or
    may not be read."""
    # A pipe would be waited for.
    if path.exists() and not path.is_file():
        raise Damaged(path, "it is not a file")
    # Not mapped into memory: a file that changes later would change or end what uses its tensors.
    content = path.read_bytes()
    try:
        tensors = load(content)
        about = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
        digest = about.pop("digest", None)
        # A file with a state alone is older than digests. It is taken as it is: training every stage of an old store
        # again would cost its owner far more than the rare mistake that only a digest shows.
        if digest is not None or about.keys() != {"state"}:
            _check_origin(path, key, about)
            if digest != _digest(about, tensors):
                raise Damaged(path, "its content and its digest differ")
        return json.loads(about["state"]), tensors
    except (SafetensorError, LookupError, RuntimeError, ValueError) as error:
        # All but the first are raised for types that torch does not have, and for a state that is not JSON.
        raise Damaged(path, str(error)) from None


def named(modules: Modules) -> Tensors:
    """The tensors of `modules` by their names in a checkpoint."""
    return {f"{name}/{k}": v for name, m in modules.items() for k, v in m.state_dict().items()}


def weights_digest(module: nn.Module) -> str:
    """A hash of everything in a module's state."""
    return _digest({}, {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()})


def restore(tensors: Tensors, modules: Modules, optimiser: torch.optim.Optimizer | None = None) -> None:
    """Load a checkpoint's tensors into `modules` and `optimiser`."""
    for name, module in modules.items():
        module.load_state_dict({k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")})
    if optimiser is not None:
        content = optimiser.state_dict()
        restored: dict[int, Tensors] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser/"):
                _, index, key = name.split("/")
                restored.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict({"state": restored, "param_groups": content["param_groups"]})


class StageCheckpoints:
    """The checkpoints of one stage in a store. One that is damaged or another's is set aside with a warning, and counts
    as not there. Raises StorageError where that cannot be done."""

    def __init__(self, store: Store, key: str):
        self.store, self.key = store, key
        for path in map(self.path, ("final", "resume", "best")):
            # It would be in the way of the file that is to be written here.
            if path.is_dir():
                _set_aside(path, Damaged(path, "it is not a file"))

    def path(self, name: str) -> Path:
        """Where the checkpoint `name` (``final``, ``resume`` or ``best``) is."""
        return self.store.checkpoint(self.key, name)

    def read(self, name: str, modules: Modules, parse: Callable[[dict[str, Any]], T]) -> tuple[T, Tensors] | None:
        """What `parse` makes of its state, and its tensors, which are those of `modules` and perhaps others; None if
        there is no such checkpoint. `parse` raises LookupError, TypeError or ValueError for a state that is another."""
        path = self.path(name)
        try:
            state, tensors = read_checkpoint(path, self.key)
            _check_tensors(path, modules, tensors)
            try:
                return parse(state), tensors
            except (LookupError, TypeError, ValueError):
                raise Damaged(path, f"its state is not that of a {name!r} checkpoint") from None
        except FileNotFoundError:
            return None
        except Damaged as error:
            _set_aside(path, error)
            return None

    def save(self, name: str, modules: Modules, optimiser: torch.optim.Optimizer | None, state: dict[str, Any]) -> None:
        """See `save_checkpoint`."""
        save_checkpoint(self.path(name), modules, optimiser, state, self.key)

    def remove(self, *names: str) -> None:
        """Remove checkpoints that are no longer needed."""
        for name in names:
            self.path(name).unlink(missing_ok=True)


def _digest(about: dict[str, str], tensors: Tensors) -> str:
    """SHA-256 of what a checkpoint says of itself, of each tensor's name, dtype and shape, and of their bytes by name.
    Tensors are contiguous and on the CPU."""
    ordered = sorted(tensors.items())
    shapes = [(name, str(t.dtype), list(t.shape)) for name, t in ordered]
    found = sha256(json.dumps([about, shapes], sort_keys=True).encode())
    for _, tensor in ordered:
        found.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _check_origin(path: Path, key: str, about: dict[str, str]) -> None:
    """Raise Damaged for a file that is no checkpoint or, if `key` is given, is not this stage's under this name."""
    if "state" not in about:
        raise Damaged(path, "it is no checkpoint")
    if key and about.get("key") != key:
        owner = f"to stage {about['key'][:16]}" if "key" in about else "to no stage"
        raise Damaged(path, f"it belongs {owner}, expected {key[:16]}")
    if key and about.get("kind") != path.stem:
        raise Damaged(path, f"it was saved as {about.get('kind')!r}")


def _check_tensors(path: Path, modules: Modules, tensors: Tensors) -> None:
    """Raise Damaged unless a checkpoint has the names, dtypes and shapes of `modules`."""
    own = {name: t for name, t in tensors.items() if name.split("/")[0] in modules}
    wanted, found = ({name: (t.dtype, t.shape) for name, t in part.items()} for part in (named(modules), own))
    if wanted != found:
        odd = min(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise Damaged(path, f"its tensors are not those of {' and '.join(modules)}, {odd} for one")


def _set_aside(path: Path, error: Damaged) -> None:
    """Rename a damaged checkpoint to ``<its name>.damaged-<n>``, a name that nothing looks for, and warn."""
    aside = next(p for n in count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    try:
        path.rename(aside)
    except FileNotFoundError:
        # Another run did so.
        return
    except OSError as why:
        raise StorageError(f"{error}, and cannot be set aside: {why.strerror}") from why
    log.warning("%s; it is set aside as %s, and training goes on without it", error, aside.name)
