"""The contract of backbones, and what a sample looks like to one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchbench.components.component import Component

#: Samples (N, *shape) -> features (N, dim): an encoder, or an encoder under adapted weights.
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SampleSpec:
    """What one sample looks like to an encoder: its modality and shape, (C, H, W) for images in [0, 1]."""

    modality: str
    shape: tuple[int, ...]
    dtype: str = "float32"


class Backbone(nn.Module, Component, ABC):
    """An encoder: (N, *shape) in [0, 1] -> (N, dim). It normalises its own input.

    A subclass sets `dim` and takes the sample's specification first: ``__init__(self, sample, *, width=64)``. Use
    torch's batch norms as usual: the core replaces them with `benchbench.encoding.task_norm.TaskNorm`. It may offer
    ``encode_tasks(x, params, *, running, support)``, a faster form of a loop over tasks with their own weights.

    `provides` names what else it has: ``feature_maps(x)``, {stride: (N, C, h, w)}; ``tokens(x, keep=None)``,
    (N, T, dim), one token for each square of `patch` pixels in reading order (ragged edges are padded at the bottom
    and right), or only those in `keep` (N, K); ``linear``, one `nn.Linear` named ``map`` of the flattened sample.

    A backbone that can load pretrained weights has a setting `sha256`, their checksum or None, and sets
    `pretrained_on`, which data, and `pretrained_labels`, whether their labels were used, as far as it is known. Records
    hold both and tables show them: a method whose weights have seen labels is none without labels.
    """

    kind = "backbone"
    dim: int
    provides: ClassVar[frozenset[str]] = frozenset()
    modalities: ClassVar[frozenset[str]] = frozenset({"image"})
    pretrained_on: str | None = None
    pretrained_labels: bool | None = None
    trainable: ClassVar[bool] = True

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) in [0, 1] -> features (N, dim)."""
