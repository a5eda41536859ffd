from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt
from torch import nn

from benchbench import Backbone, BenchbenchError, Pretext, SampleSpec
from benchbench_standard.pretexts.augment import Augment

Share = Annotated[float, Field(ge=0, le=1)]


class TwoViews(Pretext):
    """What the self-supervised losses between two random views of each image share: the settings of `Augment`. A
    crop has `min_scale` to `max_scale` of the image's area; `flips` mirrors; `rotation` is in degrees each way and
    `shear` in parts of the side; `erasing`, `dropout` and `grey` are probabilities (of a blanked rectangle, of zeroed
    pixels, of a grey image), `colour` is the strength of the jitter."""

    objectives = frozenset({"plain", "task"})
    views = 2

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        min_scale: PositiveFloat = 0.6,
        max_scale: PositiveFloat = 1.4,
        flips: bool = True,
        rotation: Annotated[float, Field(ge=0, le=180)] = 10.0,
        shear: Share = 0.1,
        erasing: Share = 0.5,
        dropout: Share = 0.3,
        colour: Share = 0.4,
        grey: Share = 0.2,
    ):
        super().__init__(encoder, sample)
        if min_scale > max_scale:
            raise BenchbenchError(f"min_scale {min_scale} is above max_scale {max_scale}")
        self.augment = Augment(min_scale, max_scale, flips, rotation, shear, erasing, dropout, colour, grey)


def mlp(before: int, hidden: PositiveInt, after: PositiveInt) -> nn.Sequential:
    """A projection of features (N, before) -> (N, after), with batch norm behind its one hidden layer."""
    hidden_layer = nn.Linear(before, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()
    return nn.Sequential(*hidden_layer, nn.Linear(hidden, after))
