"""What a finished cell leaves behind: the record, its schema and its scores. Imports no torch."""

import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Incremented when a record's fields change; `MIGRATIONS` then gains a step, and tests/fixtures a file of the old
#: version.
SCHEMA: Final = 2


#: A SHA-256 in hexadecimal. Files are named after it and records come from strangers, so nothing else is accepted.
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


@dataclass(frozen=True, slots=True)
class Method:
    """What is compared: one row of the leaderboard. Names are bare; the qualified ones are in `Record.content`."""

    # For pydantic; msgspec, which reads the store's other files, ignores what it does not know.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    pretext: str
    meta: str
    backbone: str
    regime: str

    @property
    def label(self) -> str:
        """The method as tables print it."""
        return f"{self.pretext} × {self.meta}"


class Metric(_Model):
    """One value per `unit`; with a `denominator`, integer counts out of it.

    The unit also marks metrics that explain a score rather than being one: ``target`` is one value that describes a
    representation; ``pair`` is how similar the representation finds two images, for pairs that are the same in every
    record of an episode set.
    """

    values: list[int] | list[float]
    denominator: int | None = None
    unit: str = "episode"

    def fractions(self) -> list[float]:
        """The values as fractions of the denominator, or unchanged if there is none."""
        return [v / self.denominator for v in self.values] if self.denominator else [float(v) for v in self.values]


def shown(metrics: Collection[str]) -> str:
    """The metric that tables show and rank by, higher being better: accuracy, or else the first by name."""
    return "accuracy" if "accuracy" in metrics else min(metrics)


class Summary(_Model):
    """Mean and half-width of its 95% interval, 1.96 * std(ddof 0) / sqrt(n), over the test episodes of one training."""

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
    """What the training used: encoder parameters and, over all stages, views that entered a loss, samples passed
    through the encoder (counting repeated passes) and counted floating-point operations."""

    parameters: int
    samples: int
    encoder_passes: int
    flops: int


class Flags(_Model):
    """`transductive`: under the cell's protocol, a query's score may depend on the other queries. `labels`: whose true
    labels training read (``none`` or ``source``). `selection`: which checkpoint was scored. `floor`: an untrained
    baseline."""

    transductive: bool
    labels: Literal["none", "source"]
    selection: str
    floor: bool


class Record(_Model):
    """One cell: a training scored on one target under one protocol. Only `timing` and `environment` are volatile.

    `external` marks a record submitted by a third party: its scores were checked for plausibility, not reproduced.
    """

    schema_version: Literal[2] = SCHEMA
    key: str
    training_key: Key
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
    external: bool = False


#: From each older schema version to the next: plain values in, plain values out.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda content: {**content, "external": False},
}


def migrate(content: dict[str, Any]) -> dict[str, Any]:
    """A record's plain values under the current schema. Raises ValueError for an unknown version."""
    version = content.get("schema_version", SCHEMA)
    if not isinstance(version, int) or (version != SCHEMA and version not in MIGRATIONS):
        raise ValueError(f"schema version {version!r} is unknown: this benchbench-suite reads 1 to {SCHEMA}")
    while version != SCHEMA:
        content = MIGRATIONS[version](content)
        version += 1
    return {**content, "schema_version": SCHEMA}


def parse_record(line: str | bytes) -> Record:
    """The record in a line of JSON, of any schema version. Raises ValueError naming the fields at fault."""
    try:
        # Fast path for the common case: no value becomes a Python object twice.
        return Record.model_validate_json(line)
    except ValidationError:
        content = json.loads(line)
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    try:
        return Record.model_validate(migrate(content))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg'][0].lower()}{e['msg'][1:]}" for e in error.errors()]
        raise ValueError("; ".join(faults)) from None


#: Fields that may differ between two records with the same key: where and for whom it was computed, not the result.
CIRCUMSTANCES = {"timing", "environment", "external", "matrix"}


def differences(a: Record, b: Record) -> list[str]:
    """The fields in which two records with the same key contradict each other."""
    one, other = _outcome(a), _outcome(b)
    # Compared both ways: 1.0 and 1 differ only as text, NaN and NaN only as numbers.
    differ = (name for name in one if one[name] != other[name] and sorted_json(one[name]) != sorted_json(other[name]))
    return sorted(differ)


def sorted_json(content: object) -> str:
    """JSON text that is equal for equal content. Unlike a key's canonical JSON, it accepts NaN, which a submitted
    record may hold."""
    return json.dumps(content, sort_keys=True)


def _outcome(record: Record) -> dict[str, Any]:
    found = record.model_dump(mode="json", exclude=CIRCUMSTANCES)
    if record.flags.floor:
        # Nothing was trained: source, selection and recipe come from the matrix and are not in the key.
        del found["source"], found["flags"]["selection"]
        for name in ("recipe", "source_pixels"):
            found["content"].pop(name, None)
    return found
