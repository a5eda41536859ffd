"""What a process is set to while it trains or scores."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from benchbench.encoding.precision import encoding_in

#: Parameters of glibc's mallopt, by the environment variables that set them too. Freed memory is kept for the next step
#: instead of being returned to the kernel: a Conv-4 step then takes a quarter less time. Larger blocks are still
#: returned: when episodes varied in size, the heap fragmented and grew to 20 GB.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": (-3, 2**27), "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1)}


@contextmanager
def settled(threads: int, device: str) -> Iterator[None]:
    """Run a block on `threads` threads with deterministic algorithms, and restore torch's settings afterwards. Memory
    that is freed stays with the process."""
    _keep_freed_memory()
    memory: Any = torch.utils.deterministic
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    # Otherwise every new tensor is filled with NaN before it is written, which takes up to a tenth of a Conv-4 step.
    memory.fill_uninitialized_memory = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # `use_deterministic_algorithms` does the same but imports a compiler, which takes seconds.
    torch.set_deterministic_debug_mode("warn")
    try:
        # Else a CUDA device computes convolutions of float32 in tf32.
        with encoding_in("float32"):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        memory.fill_uninitialized_memory = before[2]


@cache
def _keep_freed_memory() -> None:
    """Set the allocator, once, unless the user has. Other C libraries than glibc have no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    for variable, (parameter, value) in _ALLOCATOR.items():
        if mallopt and variable not in os.environ:
            mallopt(parameter, value)
