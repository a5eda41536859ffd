"""What a training finds of torch's global settings, and what it leaves."""

import pytest
import torch

from benchbench.execution.job import settled


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
