"""What pretexts and learners share: they work on an encoder they do not own."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from benchbench.components.component import Component
from benchbench.encoding.backbone import Backbone


@dataclass(frozen=True)
class Progress:
    """How far along a stage is: `step` of `steps` optimiser steps done, `samples` views seen."""

    step: int
    steps: int
    samples: int


class OnEncoder(nn.Module, Component):
    """A module that works on an encoder it does not own: saved, moved and counted separately."""

    def __init__(self, encoder: Backbone):
        super().__init__()
        self.__dict__["encoder"] = encoder
        self.encoder: Backbone

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups; by default one, of the encoder's and the module's own parameters."""
        return [{"params": [*self.encoder.parameters(), *self.parameters()]}]

    def after_step(self, progress: Progress) -> None:
        """Called after every optimiser step, for moving-average targets or annealing."""
