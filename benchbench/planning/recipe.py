"""How a training is done: its budget, the episodes it learns from and the optimisation."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchbench.components.limits import MOST

Count = Annotated[int, Field(ge=1, le=10**6)]
Amount = Annotated[int, Field(ge=1, le=10**12)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Precision = Literal["float32", "bfloat16", "tf32"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of a matrix file: every key is known, and has its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Budget(Section):
    """How much each training may use: `samples` (views that enter a loss, over all stages) or optimiser `steps`."""

    samples: Amount | None = None
    steps: Amount | None = None


class EpisodeSettings(Section):
    """Training episodes: `ways` classes, `shots` and `queries` per class, and `meta_batch` episodes per step.

    If `sampler` is ``meta-dataset``, labelled episodes vary as in Meta-Dataset (`benchbench.VariableShape` with its
    defaults), and the fixed numbers are used only for validation.
    """

    sampler: Literal["fixed", "meta-dataset"] = "fixed"
    ways: Annotated[int, Field(ge=2, le=MOST["ways"])] = 5
    shots: Annotated[int, Field(ge=1, le=MOST["shots"])] = 1
    queries: Annotated[int, Field(ge=1, le=MOST["queries"])] = 5
    meta_batch: Annotated[int, Field(ge=1, le=MOST["meta_batch"])] = 8


class Optimisation(Section):
    """What a training's steps are. `schedule` is constant, cosine decay to zero, or halving every `halve_every` steps.

    `auxiliary_weight` multiplies the plain objective in regime ``auxiliary``; `validate_times` is how many times a
    stage is validated, if selection needs it.
    """

    batch_size: Annotated[int, Field(ge=1, le=MOST["batch_size"])] = 64
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Rate = 1e-3
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "cosine", "halving"] = "cosine"
    halve_every: Amount = 2000
    auxiliary_weight: Weight = 1.0
    validate_times: Count = 10


class TrainingSettings(Optimisation):
    """The optimisation, and the precision in which encoders compute while they are trained
    (`benchbench.encoding.precision`)."""

    precision: Precision = "float32"


#: What a ``[[when]]`` rule replaces, where its axes hold.
REPLACED: dict[str, type[BaseModel]] = {"episodes": EpisodeSettings, "training": TrainingSettings}


def neutral(episodes: dict[str, Any]) -> dict[str, Any]:
    """The settings without those added later that have their neutral value, so that older keys stay valid."""
    return {k: v for k, v in episodes.items() if (k, v) != ("sampler", "fixed")}


def once(values: list[Any]) -> list[Any]:
    """A validator: raises ValueError for a value that is given twice."""
    (often, times), *_ = Counter(values).most_common(1)
    if times > 1:
        raise ValueError(f"each must be given once, and {often!r} is given {times} times")
    return values
