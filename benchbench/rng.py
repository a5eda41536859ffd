"""Named streams of randomness: no draw in benchbench depends on hidden state.

A stream is named by a path such as ``(seed, "meta", 120, "episodes")``. The same path gives the same draws
whatever was drawn elsewhere before, so generator state is never saved: it is derived again on resume.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


def derive(*path: object) -> int:
    """A 63-bit integer that depends only on `path`, the same on every platform and library version."""
    digest = hashlib.sha256(json.dumps(path, separators=(",", ":"), default=str).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


class Rng:
    """A named stream. `cpu` and `on(device)` are torch generators, `numpy` a legacy ``RandomState``."""

    def __init__(self, *path: object):
        self.path = path
        self.seed = derive(*path)
        self._generators: dict[str, torch.Generator] = {}

    def child(self, *path: object) -> "Rng":
        """The stream named `path` below this one; it shares no draws with its parent."""
        return Rng(*self.path, *path)

    @property
    def cpu(self) -> torch.Generator:
        """The generator for CPU tensors."""
        return self.on("cpu")

    def on(self, device: torch.device | str) -> torch.Generator:
        """The generator for tensors on `device`; each device has its own draws."""
        key = str(device)
        if key not in self._generators:
            self._generators[key] = torch.Generator(device=device).manual_seed(self.seed)
        return self._generators[key]

    @cached_property
    def numpy(self) -> np.random.RandomState:
        """A legacy generator, whose draws NumPy promises never to change."""
        return np.random.RandomState(np.frombuffer(self.seed.to_bytes(8, "little"), dtype="<u4").astype(np.int64))

    def choices(self, n: int, k: int, count: int = 1) -> Tensor:
        """`count` draws of `k` distinct integers below `n`, each in random order: (count, k) int64 on the CPU."""
        if k > n:
            raise ValueError(f"cannot choose {k} distinct items out of {n}")
        if k * k > n:
            return torch.rand(count, n, generator=self.cpu).argsort(1)[:, :k]
        # Rejection keeps the draw uniform over ordered tuples, without permuting a large pool.
        drawn = torch.randint(n, (count, k), generator=self.cpu)
        while True:
            ordered = drawn.sort(1).values
            repeated = (ordered[:, 1:] == ordered[:, :-1]).any(1)
            if not repeated.any():
                return drawn
            drawn[repeated] = torch.randint(n, (int(repeated.sum()), k), generator=self.cpu)


@contextmanager
def seeded_globals(rng: Rng, device: torch.device | str = "cpu") -> Iterator[None]:
    """Run a block with torch's global generators forked and seeded from `rng`, for code that takes no generator
    (dropout, parameter initialisation); they are restored afterwards."""
    device = torch.device(device)
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(rng.seed)
        yield
