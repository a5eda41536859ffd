from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchbench import Backbone, ClassSplit, Pool, SampleSpec, SampleTable


class TinyEncoder(Backbone):
    """A linear map of the pixels."""

    def __init__(self, sample: SampleSpec, *, width: int = 6):
        super().__init__()
        self.dim = width
        self.layer = nn.Linear(int(np.prod(sample.shape)), width)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


@pytest.fixture
def encoder() -> Callable[[SampleSpec], Backbone]:
    return TinyEncoder


@pytest.fixture
def make_pool() -> Callable[..., Pool]:
    """Pools of random images, all different: 5 classes of 12."""

    def make(shape: tuple[int, ...] = (1, 8, 8), labelled: bool = False, classes: int = 5) -> Pool:
        x = np.random.RandomState(0).randint(0, 256, (classes * 12, *shape), np.uint8)
        names = tuple(f"c{i}" for i in range(classes))
        table = SampleTable(x, np.repeat(np.arange(classes), 12), names, "f", "p")
        return Pool.of(table, ClassSplit(train=tuple(range(classes))), "train", name="random", labelled=labelled)

    return make


@pytest.fixture
def same_image() -> Callable[[Tensor, Pool], Tensor]:
    """x (N, *shape) -> the index in a pool of the image that each equals, or -1: (N,)."""

    def find(x: Tensor, pool: Pool) -> Tensor:
        every = pool.images(torch.arange(len(pool))).flatten(1)
        same = torch.cdist(x.flatten(1), every.to(x.dtype), compute_mode="donot_use_mm_for_euclid_dist") < 1e-4
        return torch.where(same.any(1), same.int().argmax(1), -1)

    return find
