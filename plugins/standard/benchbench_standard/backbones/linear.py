from math import prod

from pydantic import PositiveInt
from torch import Tensor, nn

from benchbench import Backbone, SampleSpec


class Linear(Backbone):
    """One linear map of the pixels to `width` features: what principal components are (pretext `pca`), and the smallest
    encoder that can be trained. Source: own."""

    provides = frozenset({"linear"})

    def __init__(self, sample: SampleSpec, *, width: PositiveInt = 64):
        super().__init__()
        self.map = nn.Linear(prod(sample.shape), width)
        self.dim = width

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, width)."""
        return self.map(x.flatten(1))
