from collections.abc import Mapping
from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from benchbench import Backbone, SampleSpec, task_batch_norm

Width = Annotated[int, Field(ge=1)]


class MLP(Backbone):
    """`depth` fully connected layers of `width` with batch norm and ReLU, or layers of `widths`: MAML's network without
    convolutions for Omniglot has 256, 128, 64 and 64 (Finn et al. 2017, appendix A.1). It takes images, flattened, and
    the values of tables."""

    #: 2: tasks with their own weights go through one product a layer, which rounds otherwise.
    revision = 2
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

    def encode_tasks(
        self, x: Tensor, params: Mapping[str, Tensor], *, running: bool, support: int | None = None
    ) -> Tensor:
        """B tasks, each under its own weights, by batched products: x (B, n, *shape) and name -> (B, *p) ->
        (B, n, dim)."""
        tasks, samples = x.shape[:2]
        own = dict(self.named_parameters())

        def weight(name: str) -> Tensor:
            return params[name] if name in params else own[name].expand(tasks, *own[name].shape)

        x = x.flatten(2)
        for i in range(0, len(self.layers), 3):
            x = x @ weight(f"layers.{i}.weight").mT
            scale, shift = weight(f"layers.{i + 1}.weight"), weight(f"layers.{i + 1}.bias")
            beside = x.transpose(0, 1).reshape(samples, -1, 1, 1)
            beside = task_batch_norm(beside, self.layers[i + 1], scale, shift, running=running, support=support)
            x = beside.view(samples, tasks, -1).transpose(0, 1).relu()
        return x
