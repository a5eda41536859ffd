from math import prod

from torch import Tensor

from benchbench import Backbone, SampleSpec


class Pixels(Backbone):
    """The image itself, flattened: no parameter, nothing to train. The floor that any encoder must pass.
    Source: own."""

    trainable = False

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.dim = prod(sample.shape)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, prod(shape))."""
        return x.flatten(1)
