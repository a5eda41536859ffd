"""What comparisons share."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Torch on one thread and a seeded generator, for ours and for peers alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
