from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from benchbench import Backbone, BenchbenchError, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.augment import PRESETS, Augment
from benchbench_standard.pretexts.sequence_views import SequenceViews
from benchbench_standard.pretexts.text_views import TextViews

Share = Annotated[float, Field(ge=0, le=1)]


class TwoViews(Pretext):
    """What the self-supervised losses between two random views of each sample share: the settings of the views.

    Of images they are `Augment`'s: `preset` names the views: `protoclr`, the default, as published for Omniglot;
    `simclr`, for photographs; `letters`, with no mirror. Every other setting that is given replaces that one of the
    preset. A crop has `min_scale` to `max_scale` of the image's area, and `inside` keeps it within the image; `flips`
    mirrors along both sides, or only "horizontal"; `rotation` is in degrees each way and `shear` in parts of the side;
    `erasing`, `dropout` and `grey` are probabilities (of a blanked rectangle, of zeroed pixels, of a grey image),
    `rescale` divides what dropout leaves by 1 - dropout, as ProtoCLR's official code does, `colour` is the strength of
    the jitter.

    Of texts, and of the fields of interactions, they are `TextViews`': `drop`, `swap` and `hide`; of sequences
    `SequenceViews`': `reverse`, `shift` and `mutate`. Each kind of sample has settings of its own: those of another are
    refused."""

    revision = 2
    modalities = frozenset({"image", "text", "sequence", "interaction"})
    neutral: ClassVar = dict.fromkeys(("drop", "swap", "hide", "reverse", "shift", "mutate"))
    objectives = frozenset({"plain", "task"})
    views = 2
    #: What messages call it.
    name: ClassVar[str]

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        preset: Literal["protoclr", "simclr", "letters"] = "protoclr",
        min_scale: PositiveFloat | None = None,
        max_scale: PositiveFloat | None = None,
        flips: bool | Literal["horizontal"] | None = None,
        rotation: Annotated[float, Field(ge=0, le=180)] | None = None,
        shear: Share | None = None,
        erasing: Share | None = None,
        dropout: Share | None = None,
        colour: Share | None = None,
        grey: Share | None = None,
        inside: bool | None = None,
        rescale: bool | None = None,
        drop: Share | None = None,
        swap: Share | None = None,
        hide: Share | None = None,
        reverse: Share | None = None,
        shift: Share | None = None,
        mutate: Share | None = None,
    ):
        super().__init__(encoder, sample)
        of_images: dict[str, Any] = {
            "min_scale": min_scale, "max_scale": max_scale, "flips": flips, "rotation": rotation, "shear": shear,
            "erasing": erasing, "dropout": dropout, "colour": colour, "grey": grey, "inside": inside,
            "rescale": rescale, "preset": preset if preset != "protoclr" else None,
        }  # fmt: skip
        of_texts = {"drop": drop, "swap": swap, "hide": hide}
        of_sequences = {"reverse": reverse, "shift": shift, "mutate": mutate}
        given = {"image": of_images, "text": of_texts, "sequence": of_sequences}
        chosen = {kind: {k: v for k, v in own.items() if v is not None} for kind, own in given.items()}
        # Fields are tokens, whose order means nothing.
        of = "text" if sample.modality == "interaction" else sample.modality
        for kind, own in chosen.items():
            if own and kind != of:
                raise BenchbenchError(
                    f"pretext {self.name}: {', '.join(own)} set views of modality {kind}, not of {sample.modality}"
                )
        make: dict[str, Callable[..., Callable[[Tensor, Rng], Tensor]]] = {
            "image": _of_images,
            "text": TextViews,
            "sequence": partial(SequenceViews, sample.vocabulary),
        }
        self.augment = make[of](**chosen[of])

    def pair(self, x: Tensor, rng: Rng) -> Tensor:
        """Two views of each sample, x (N, *shape) -> (2N, *shape), where i and i + N are of one sample. Raises
        BenchbenchError for a single sample, which nothing can be told apart from."""
        if len(x) < 2:
            raise BenchbenchError(f"pretext {self.name}: a loss over a batch needs 2 samples or more, got 1")
        return self.augment(torch.cat([x, x]), rng)


def _of_images(*, preset: str = "protoclr", **given: Any) -> Augment:
    views = replace(PRESETS[preset], **given)
    if views.min_scale > views.max_scale:
        raise BenchbenchError(f"min_scale {views.min_scale} is above max_scale {views.max_scale}")
    return views


def apart(network: Callable[[Tensor], Tensor], views: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs for the first and the second views (2N, ...) in two passes, so that batch norms take the statistics of
    one view at a time."""
    first, second = views.chunk(2)
    return network(first), network(second)


def mlp(before: int, hidden: PositiveInt, after: PositiveInt, *, bias: bool = False) -> nn.Sequential:
    """A projection of features (N, before) -> (N, after), with batch norm behind its one hidden layer. `bias` is the
    last layer's."""
    hidden_layer = nn.Linear(before, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
    return nn.Sequential(*hidden_layer, nn.Linear(hidden, after, bias=bias))
