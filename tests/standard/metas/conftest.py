"""What tests of several learners share."""

import pytest
import torch

from benchbench import Episodes, EpisodeShape, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.pixels import Pixels


@pytest.fixture
def conv():
    """Make a small Conv-4 on 16-pixel images, with running averages of its own."""

    def make(width=3):
        torch.manual_seed(0)
        encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=width))
        for norm in encoder.norms:
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
        return encoder

    return make


@pytest.fixture
def tasks():
    """Make episodes of random images."""

    def make(count=2, ways=3, shots=2, queries=2, shape=(1, 16, 16), seed=1):
        x = torch.rand(count, ways, shots + queries, *shape, generator=torch.Generator().manual_seed(seed))
        return Episodes.from_classes(x, EpisodeShape(ways, shots, queries))

    return make


@pytest.fixture
def raw():
    """An encoder that changes nothing, on vectors of 4."""
    return Pixels(SampleSpec("vector", (4,)))


@pytest.fixture
def uneven():
    """Two tasks of three classes with 1, 2 and 3 support samples, in no order, and 5 queries: vectors of 4."""
    g = torch.Generator().manual_seed(0)
    support_y = torch.tensor([[2, 0, 1, 2, 1, 2], [1, 2, 2, 0, 2, 1]])
    query_y = torch.tensor([[0, 1, 2, 2, 1], [2, 1, 0, 0, 1]])
    draw = {"generator": g, "dtype": torch.float64}
    return Episodes(torch.randn(2, 6, 4, **draw), support_y, torch.randn(2, 5, 4, **draw), query_y, 3)
