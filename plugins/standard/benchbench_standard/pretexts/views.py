from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from benchbench import Backbone, BenchbenchError, Pretext, Rng, SampleSpec
from benchbench_standard.pretexts.augment import PRESETS

Share = Annotated[float, Field(ge=0, le=1)]


class TwoViews(Pretext):
    """What the self-supervised losses between two random views of each image share: the settings of `Augment`.

    `preset` names the views: `protoclr`, the default, as published for Omniglot; `simclr`, for photographs; `letters`,
    with no mirror. Every other setting that is given replaces that one of the preset. A crop has `min_scale` to
    `max_scale` of the image's area, and `inside` keeps it within the image; `flips` mirrors along both sides, or only
    "horizontal"; `rotation` is in degrees each way and `shear` in parts of the side; `erasing`, `dropout` and `grey`
    are probabilities (of a blanked rectangle, of zeroed pixels, of a grey image), `rescale` divides what dropout leaves
    by 1 - dropout, as ProtoCLR's official code does, `colour` is the strength of the jitter."""

    revision = 2
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
    ):
        super().__init__(encoder, sample)
        given: dict[str, Any] = {
            "min_scale": min_scale, "max_scale": max_scale, "flips": flips, "rotation": rotation, "shear": shear,
            "erasing": erasing, "dropout": dropout, "colour": colour, "grey": grey, "inside": inside,
            "rescale": rescale,
        }  # fmt: skip
        self.augment = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
        low, high = self.augment.min_scale, self.augment.max_scale
        if low > high:
            raise BenchbenchError(f"min_scale {low} is above max_scale {high}")

    def pair(self, x: Tensor, rng: Rng) -> Tensor:
        """Two views of each image, x (N, C, H, W) -> (2N, C, H, W), where i and i + N are of one image. Raises
        BenchbenchError for a single sample, which nothing can be told apart from."""
        if len(x) < 2:
            raise BenchbenchError(f"pretext {self.name}: a loss over a batch needs 2 samples or more, got 1")
        return self.augment(torch.cat([x, x]), rng)


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
