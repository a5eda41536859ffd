"""What a training finds of a process's settings, and what it leaves."""

import os
import sys

import pytest
import torch

from benchbench.execution.settled import settled


def state():
    filled = torch.utils.deterministic.fill_uninitialized_memory
    tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    return torch.get_num_threads(), torch.get_deterministic_debug_mode(), filled, tf32


def failing():
    with settled(1, "cpu"):
        assert state() == (1, 1, False, False)
        raise KeyError


def test_settings_are_for_the_block_alone():
    before = state()
    with pytest.raises(KeyError):
        failing()
    assert state() == before
    # Torch lets a CUDA device compute convolutions of float32 in tf32.
    assert before[1:] == (0, True, True)


#: Fill and free as many bytes, and print how many pages the kernel had to give for it.
AGAIN = """
import resource, torch
from benchbench.execution.settled import settled
with settled(1, "cpu"):
    for i in range(21):
        if i == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        several = [torch.full((n * 2**18,), 1.0) for n in (1, 4, 16)]
        del several
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_freed_memory_is_used_again(python):
    pages = 20 * 21 * 2**20 // os.sysconf("SC_PAGESIZE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    kept = int(python("-c", AGAIN, env=environment).stdout)
    assert kept < 0.2 * pages
    # What a user has set stays. A kernel that gives large pages gives fewer of them.
    own = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    assert int(python("-c", AGAIN, env={**environment, **own}).stdout) > 5 * kept
