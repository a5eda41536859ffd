"""The contract of modalities: what samples look like, and whom they may meet."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from benchbench.components.component import Component
from benchbench.components.registry import find
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError

#: In place of a modality among those that a component takes: every one, for what touches no sample.
ANY = "*"


class Modality(Component, ABC):
    """A kind of sample, such as images or text. Datasets, pretexts, backbones and protocols name the modalities that
    they are for.

    `storage` is what its tables hold: ``uint8`` (pixels, which reach an encoder as floats in [0, 1]), ``uint16`` (ids
    of tokens, which the core numbers) or ``float32`` (values).
    """

    kind = "modality"
    #: What its tables hold, as said above.
    storage: ClassVar[str] = "uint8"
    #: The raw inputs that stand as floors in every leaderboard of such samples: rules of a matrix that name an
    #: untrained ``backbone`` and the ``meta`` that compares what it gives.
    floors: ClassVar[tuple[Mapping[str, str], ...]] = ()

    @abstractmethod
    def misshapen(self, shape: tuple[int, ...]) -> str:
        """What is expected instead of samples of `shape`, such as ``(C, H, W)``; empty if they are as they should."""

    @abstractmethod
    def fit(self, x: Tensor, held: SampleSpec, wanted: SampleSpec) -> Tensor:
        """Samples (N, *held.shape) as an encoder of `wanted` takes them: (N, *wanted.shape)."""

    def misfit(self, held: SampleSpec, wanted: SampleSpec) -> str:
        """Why samples of `held` cannot be fitted to an encoder of `wanted`; empty if they can."""
        return ""

    def shown(self, x: np.ndarray, sample: SampleSpec) -> np.ndarray | str:
        """One row of a table (*shape), of samples such as `sample`, as people see it: a picture uint8 (C, H, W) with
        one or three channels, or a line of text."""
        return " ".join(f"{value:.4g}" for value in x.flatten().tolist())

    def parse(self, raw: Sequence[Any], sample: SampleSpec) -> Tensor:
        """A user's own samples in the form that people have them, such as texts: (n, *shape) as an encoder of `sample`
        takes them. Raises BenchbenchError if it takes tensors alone."""
        raise BenchbenchError(f"samples of this modality are tensors (N, {', '.join(map(str, sample.shape))})")

    @abstractmethod
    def examples(self, sample: SampleSpec, count: int, generator: torch.Generator) -> Tensor:
        """Random samples (count, *shape) of a specification, for trying an encoder."""

    @abstractmethod
    def specimens(self) -> tuple[SampleSpec, ...]:
        """Specifications that components for it are tried on: odd sizes, and for ids small vocabularies."""

    @abstractmethod
    def found(self, path: Path, sample: SampleSpec) -> tuple[list[str], list[Tensor]]:
        """A user's own samples in a file or below a folder, as an encoder of `sample` takes them: their names, and
        batches (n, *shape). Raises BenchbenchError if there are none, or one cannot be read."""


@cache
def modality_named(name: str) -> Modality:
    """The installed modality of a name. Raises BenchbenchError if there is none, with the nearest."""
    return find("modality", name).load()()  # type: ignore[no-any-return]


def takes(declared: frozenset[str], modality: str) -> bool:
    """Whether what declares some modalities takes one."""
    return modality in declared or ANY in declared
