"""The contract of backbones."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from benchbench.components.component import Component
from benchbench.encoding.precision import ENCODING, lowering

#: Samples (N, *shape) -> features (N, dim): an encoder, or an encoder under adapted weights. If the backbone provides
#: ``positions``, it has that method too.
Encode = Callable[[Tensor], Tensor]


class Backbone(nn.Module, Component, ABC):
    """An encoder: samples (N, *shape), as the `SampleSpec` that it is built for describes them, -> features (N, dim).
    It normalises its own input: images are in [0, 1], ids of tokens are int64, padded at the end.

    A subclass sets `dim` and takes the sample's specification first: ``__init__(self, sample, *, width=64)``. Use
    torch's batch norms as usual: the core replaces them with `benchbench.encoding.task_norm.TaskNorm`. It may offer
    ``encode_tasks(x, params, *, running, support)``, a faster form of a loop over tasks with their own weights.

    `provides` names what else it has: ``feature_maps(x)``, {stride: (N, C, h, w)}; ``tokens(x, keep=None)``,
    (N, T, dim), of images one token for each square of `patch` pixels in reading order (ragged edges are padded at the
    bottom and right), or only those in `keep` (N, K); ``positions``, ``positions(x)``, (N, T, dim), the features of
    each of T ids; ``linear``, one `nn.Linear` named ``map`` of the flattened sample; ``scores``, one `nn.Embedding`
    named so, (tokens, 1), whose sum over a sample's known tokens is its one feature.

    Where a matrix trains in half precision (`benchbench.encoding.precision`), ``forward`` and these methods run in
    torch's autocast, and what they return is handed on in float32.

    A backbone that can load pretrained weights has a setting `sha256`, their checksum or None, and sets
    `pretrained_on`, which data, and `pretrained_labels`, whether their labels were used, as far as it is known. Records
    hold both and tables show them: a method whose weights have seen labels is none without labels.
    """

    kind = "backbone"
    #: The length of a feature vector.
    dim: int
    #: What it has besides features, as named above.
    provides: ClassVar[frozenset[str]] = frozenset()
    #: What it takes, such as ``{"image"}``; ``{"*"}`` for samples of every modality.
    modalities: ClassVar[frozenset[str]] = frozenset({"image"})
    #: On which data its weights were trained before; None where it is not known, or not at all.
    pretrained_on: str | None = None
    #: Whether their labels were used; None where it is not known.
    pretrained_labels: bool | None = None
    #: It has weights that training moves. Where not, it is raw input.
    trainable: ClassVar[bool] = True
    #: It is raw input, so it is made for the samples of each target, not for the source's: its vocabulary is the
    #: target's own, with shares from the target's training classes.
    of_target: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ENCODING:
            if name in vars(cls):
                setattr(cls, name, lowering(vars(cls)[name]))

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> features (N, dim)."""
