from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from benchbench import Backbone, SampleSpec

Width = Annotated[int, Field(ge=1)]


class MLP(Backbone):
    """`depth` fully connected layers of `width` with batch norm and ReLU, or layers of `widths`: MAML's network without
    convolutions for Omniglot has 256, 128, 64 and 64 (Finn et al. 2017, appendix A.1). It takes images, flattened, and
    the values of tables."""

    modalities = frozenset({"image", "tabular"})
    neutral: ClassVar = {"widths": None}

    def __init__(
        self,
        sample: SampleSpec,
        *,
        width: Width = 256,
        depth: Annotated[int, Field(ge=1)] = 2,
        widths: Annotated[list[Width], Field(min_length=1)] | None = None,
    ):
        super().__init__()
        sizes = [prod(sample.shape), *(widths or [width] * depth)]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.dim = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, dim)."""
        return self.layers(x.flatten(1))
