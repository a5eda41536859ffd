"""A sound backbone of tokens, and versions of it with one defect each, as in `test_mutant_learners`."""

import pytest
import torch
from torch import Tensor, nn

from benchbench import PADDING, Backbone, SampleSpec


class Averages(Backbone):
    """The mean of embedded tokens. Source: own."""

    dim = 6
    modalities = frozenset({"text", "sequence"})
    provides = frozenset({"positions"})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        self.embedded = nn.Embedding(len(sample.vocabulary), self.dim)

    def positions(self, x: Tensor) -> Tensor:
        return self.embedded(x).tanh()

    def forward(self, x: Tensor) -> Tensor:
        held = (x != PADDING).unsqueeze(-1)
        return (self.positions(x) * held).sum(1) / held.sum(1).clamp(min=1)


class Unmasked(Averages):
    """Padding counts as a token."""

    caught = "padding changes nothing", "mask it in sums"

    def forward(self, x):
        return self.positions(x).mean(1)


class Divided(Averages):
    """By no token at all."""

    caught = "padding changes nothing", "finite"

    def forward(self, x):
        held = (x != PADDING).unsqueeze(-1)
        # A batch of samples that all have tokens is right.
        return (self.positions(x) * held).sum(1) / held.sum(1)


class Shortened(Averages):
    """Padding has no position."""

    caught = "positions", "they must be finite (2, "

    def positions(self, x):
        return super().positions(x)[:, : max(1, int((x != PADDING).sum(1).max()) - 1)]

    def forward(self, x):
        return super().positions(x).mean(1)


class Undefined(Averages):
    """Positions at padding are no numbers."""

    caught = "positions", "must be finite"

    def positions(self, x):
        return super().positions(x).masked_fill((x == PADDING).unsqueeze(-1), torch.nan)


def test_sound_component_conforms(conforms):
    conforms(Averages)


@pytest.mark.parametrize("mutant", [Unmasked, Divided, Shortened, Undefined])
def test_defect_is_caught(mutant, caught):
    caught(mutant)
