"""What a training finds of torch's global settings, and what it leaves."""

import pytest
import torch

from benchbench.execution.job import settled


def state():
    filled = torch.utils.deterministic.fill_uninitialized_memory
    return torch.get_num_threads(), torch.get_deterministic_debug_mode(), filled


def failing():
    with settled(1, "cpu"):
        assert state() == (1, 1, False)
        raise KeyError


def test_settings_are_for_the_block_alone():
    before = state()
    with pytest.raises(KeyError):
        failing()
    assert state() == before
    assert before[1:] == (0, True)
