from itertools import pairwise
from math import prod
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from benchbench import Backbone, SampleSpec


class MLP(Backbone):
    """`depth` fully connected layers with batch norm and ReLU, as MAML's non-convolutional Omniglot network (Finn et
    al. 2017, appendix A.1) with equal widths. It takes images, flattened, and the values of tables."""

    modalities = frozenset({"image", "tabular"})

    def __init__(
        self, sample: SampleSpec, *, width: Annotated[int, Field(ge=1)] = 256, depth: Annotated[int, Field(ge=1)] = 2
    ):
        super().__init__()
        sizes = [prod(sample.shape), *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.dim = width

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, width)."""
        return self.layers(x.flatten(1))
