"""The contract of protocols, and the scores they give."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchbench.components.component import Component
from benchbench.evaluation.target import Target
from benchbench.evaluation.trained import Trained
from benchbench.rng import Rng


@dataclass(frozen=True)
class Scores:
    """One metric, a value for each `unit` (episode or image, which stands for any sample). With a `denominator` the
    values are integer counts."""

    values: list[int] | list[float]
    denominator: int | None = None
    unit: str = "episode"


class Protocol(Component, ABC):
    """How a trained encoder is scored on a target."""

    kind = "protocol"
    #: What the backbone must provide (`benchbench.Backbone.provides`).
    requires: ClassVar[frozenset[str]] = frozenset()
    #: What it scores: samples of every modality, unless it says otherwise.
    modalities: ClassVar[frozenset[str]] = frozenset({"*"})
    #: It scores targets alone whose classes mean the same in each source (`benchbench.ClassSplit`).
    needs_order: ClassVar[bool] = False
    #: For each metric, whether ``higher``, ``lower`` or ``none`` is better; ``higher`` for the one that tables show:
    #: ``accuracy``, else the first name. ``loss`` also declares ``loss@1``, ``loss@2`` and so on.
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "higher"}

    def check(self, target: Target) -> None:
        """Raise BenchbenchError if a target cannot be scored under these settings; called before anything runs."""

    @abstractmethod
    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Scores by metric, one value for each episode or image, never only a mean."""
