"""What a finished cell leaves behind: the record, its schema and its scores. Imports no torch."""

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Method(_Model):
    """What is compared: a row of the leaderboard. Bare names; the qualified ones stand in `Record.content`."""

    pretext: str
    meta: str
    backbone: str
    regime: str

    @property
    def label(self) -> str:
        """As tables print it."""
        return f"{self.pretext} × {self.meta}"


class Metric(_Model):
    """A value for each `unit`; with a `denominator`, integer counts of it."""

    values: list[int] | list[float]
    denominator: int | None = None
    unit: str = "episode"

    def fractions(self) -> list[float]:
        """The values as fractions of the denominator, or as they are."""
        return [v / self.denominator for v in self.values] if self.denominator else [float(v) for v in self.values]


class Summary(_Model):
    """Mean and half-width of the 95% interval, 1.96 * std(ddof 0) / sqrt(n), over test episodes of one training."""

    mean: float
    ci95: float
    n: int

    @classmethod
    def of(cls, metric: Metric) -> "Summary":
        """The summary of a metric's values."""
        x = metric.fractions()
        mean = math.fsum(x) / len(x)
        variance = math.fsum((v - mean) ** 2 for v in x) / len(x)
        return cls(mean=mean, ci95=1.96 * math.sqrt(variance / len(x)), n=len(x))


class Cost(_Model):
    """What the training used: encoder parameters, views that entered a loss, samples through the encoder (repeated
    passes counted), and counted floating-point operations of training, all stages."""

    parameters: int
    samples: int
    encoder_passes: int
    flops: int


class Flags(_Model):
    """transductive: a query's score may depend on the other queries; labels: whose true labels training read
    (``none`` or ``source``); selection: which checkpoint was scored; floor: a baseline that was not trained."""

    transductive: bool
    labels: Literal["none", "source"]
    selection: str
    floor: bool


class Record(_Model):
    """One cell: a training scored on one target under one protocol. `timing` and `environment` alone are volatile."""

    schema_version: int = SCHEMA
    key: str
    training_key: str
    status: Literal["ok", "failed"]
    reason: str | None = None
    matrix: str
    method: Method
    source: str
    target: str
    protocol: str
    seed: int
    content: dict[str, Any]
    scores: dict[str, Metric] = {}
    summary: dict[str, Summary] = {}
    episodes_hash: str | None = None
    cost: Cost | None = None
    flags: Flags
    curve: list[dict[str, float]] = []
    timing: dict[str, float] = {}
    environment: dict[str, Any] = {}
