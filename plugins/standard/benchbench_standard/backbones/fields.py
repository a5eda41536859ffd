from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, SampleSpec
from benchbench_standard.modalities.interaction import fields_of


class Fields(Backbone):
    """MeLU's network (Lee, Im, Jang, Cho & Chung 2019, arXiv 1908.00413, section 3.1): a vector of each field, of
    several values their mean, all fields' side by side, then `depth` layers of `width` with ReLU. Sizes are the paper's
    code's.

    A value that is hidden, unknown or absent adds nothing: a field without any has the zero vector.
    """

    modalities = frozenset({"interaction"})
    field_of: Tensor

    def __init__(
        self,
        sample: SampleSpec,
        *,
        embedding: PositiveInt = 32,
        width: PositiveInt = 64,
        depth: Annotated[int, Field(ge=1)] = 2,
    ):
        super().__init__()
        assert sample.vocabulary is not None
        names = fields_of(sample.vocabulary)
        places = [names.index(text.partition(":")[0]) for text in sample.vocabulary.texts[2:]]
        self.fields = len(names)
        # Padding and hidden tokens are of no field.
        self.register_buffer("field_of", torch.tensor([self.fields, self.fields, *places]), persistent=False)
        self.embedded = nn.Embedding(len(sample.vocabulary), embedding)
        sizes = [self.fields * embedding, *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.dim = width

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, width)."""
        held = self.embedded(x)
        of = F.one_hot(self.field_of[x], self.fields + 1)[..., : self.fields].to(held.dtype)  # (N, T, fields)
        means = of.mT @ held / of.sum(1).clamp(min=1).unsqueeze(-1)
        return self.layers(means.flatten(1))
