from typing import ClassVar

from benchbench import Pretext


class RandomInitialisation(Pretext):
    """No pretext and no training: what a randomly initialised (or pretrained) encoder gives by itself, the floor that
    every method must beat. Source: own."""

    modalities = frozenset({"*"})
    synonyms = ("random-init", "untrained")
    objectives: ClassVar[frozenset[str]] = frozenset()
