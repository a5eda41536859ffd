"""What a finished cell leaves behind: the record, its schema and its scores. Imports no torch."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchbench.store.content import shape_fault
from benchbench.store.lines import parsed
from benchbench.store.reprs import as_html, brief

#: Incremented when a record's fields change; `MIGRATIONS` then gains a step, and tests/fixtures a file of the old
#: version.
SCHEMA: Final = 3


#: A SHA-256 in hexadecimal. Files are named after it and records come from strangers, so nothing else is accepted.
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Method:
    """What is compared: one row of the leaderboard. Names are bare; the qualified ones are in `Record.content`."""

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


#: Whose true labels were read: nobody's, or those of the source's classes.
Labels = Literal["none", "source"]


class Flags(_Model):
    """`transductive`: under the cell's protocol, a query's score may depend on the other queries. `labels`: whose true
    labels training read. `selection_labels`: whose true labels chose the checkpoint or, in a declared search, the
    settings. `selection`: which checkpoint was scored. `floor`: an untrained baseline."""

    transductive: bool
    labels: Labels
    selection_labels: Labels = "none"
    selection: str
    floor: bool


#: Who vouches for a record: this repository (``own``), a third party (``external``: checked as far as possible without
#: training), or a third party and an audit that trained it again here (``verified``).
Origin = Literal["own", "verified", "external"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


class Provenance(_Model):
    """Who submitted a record, how to reach them (an address or a page), and when (ISO 8601 date)."""

    who: Annotated[str, Field(min_length=1, max_length=200)]
    contact: Annotated[str, Field(min_length=1, max_length=200)]
    when: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Record(_Model):
    """One cell: a training scored on one target under one protocol. Only `timing` and `environment` are volatile.

    `origin` says who vouches for it; one that is not ``own`` has a `provenance`.
    """

    schema_version: Literal[3] = SCHEMA
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
    origin: Origin = "own"
    provenance: Provenance | None = None

    def __repr__(self) -> str:
        return brief(f"Record({self._said()})")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return as_html("Record", self._said())

    def _said(self) -> str:
        """Method, place and score; all of a record would fill pages."""
        own = self.content.get("names") or {}
        pretext, meta, backbone = (own.get(a, getattr(self.method, a)) for a in ("pretext", "meta", "backbone"))
        target, protocol = own.get("target", self.target), own.get("protocol", self.protocol)
        source = "" if self.flags.floor else f"{own.get('source', self.source)} → "
        where = f"{pretext} × {meta}, {backbone}, {source}{target} {protocol}, seed {self.seed}"
        if not self.summary:
            return f"{where}: {self.status}: {self.reason}"
        metric = shown(self.summary)
        found = self.summary[metric]
        return f"{where}: {metric} {found.mean:.4f} ± {found.ci95:.4f}"


def labels_before_3(labels: str, selection: str, regime: str, content: Mapping[str, Any]) -> tuple[Labels, Labels]:
    """What training and selection read, of a record of schema 2, whose one flag did not tell them apart.

    If validation labels chose something, training read labels too if it has a labelled regime or a pretext of true
    labels; a pretext of another distribution is taken to have read them.
    """
    searches = content.get("tuned") or ()
    chosen: Labels = "source" if "labelled-valid" in (selection, *(s.get("criterion") for s in searches)) else "none"
    if labels == "none" or chosen == "none":
        return ("source" if labels == "source" else "none"), chosen
    pretext = content.get("pretext", {})
    unlabelled = regime in ("joint", "pseudo", "meta-pretext") and str(pretext.get("name")).startswith(_SUITE)
    return ("none" if unlabelled and f'"{_SUITE}labels"' not in sorted_json(pretext) else "source"), chosen


_SUITE = "benchbench-suite:"


def _from_2(content: dict[str, Any]) -> dict[str, Any]:
    flags, method = dict(content.get("flags", {})), content.get("method", {})
    about = flags.get("labels", ""), flags.get("selection", ""), method.get("regime", ""), content.get("content", {})
    flags["labels"], flags["selection_labels"] = labels_before_3(*about)
    rest = {name: value for name, value in content.items() if name != "external"}
    return {**rest, "flags": flags, "origin": "external" if content.get("external") else "own"}


#: From each older schema version to the next: plain values in, plain values out.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda content: {**content, "external": False},
    2: _from_2,
}


def migrate(content: dict[str, Any]) -> dict[str, Any]:
    """A record's plain values under the current schema. Raises ValueError for an unknown version."""
    version = content.get("schema_version", SCHEMA)
    if type(version) is not int or (version != SCHEMA and version not in MIGRATIONS):
        raise ValueError(f"schema version {version!r} is unknown: this benchbench-suite reads 1 to {SCHEMA}")
    while version != SCHEMA:
        content = MIGRATIONS[version](content)
        version += 1
    return {**content, "schema_version": SCHEMA}


def is_later(line: bytes) -> bool:
    """Whether a line is a record of a later schema version than this one reads."""
    try:
        content = parsed(line)
    except ValueError:
        return False
    version = content.get("schema_version") if isinstance(content, dict) else None
    return type(version) is int and version > SCHEMA


def parse_record(line: str | bytes) -> Record:
    """The record in a line of JSON, of any schema version. Raises ValueError naming the fields at fault."""
    content = parsed(line)
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    if content.get("schema_version", SCHEMA) != SCHEMA:
        try:
            content = migrate(content)
        except (AttributeError, KeyError, TypeError):
            raise ValueError(f"its fields are not those of schema version {content['schema_version']}") from None
        line = json.dumps(content)
    try:
        # As JSON, where strict means no number from text; of Python values it would mean no `Method` from a dict.
        found = Record.model_validate_json(line, strict=True)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg'][0].lower()}{e['msg'][1:]}" for e in error.errors()]
        raise ValueError("; ".join(faults)) from None
    faults = [fault for name, value in found.content.items() if (fault := shape_fault(name, value))]
    if faults := [*faults, *filter(None, [scores_fault(found.status, found.scores, found.summary)])]:
        raise ValueError("; ".join(faults))
    return found


def scores_fault(status: str, scores: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Why no table could use these scores; empty if each can."""
    if status == "ok" and not summary:
        return "summary: a record of status ok has none"
    if scores.keys() != summary.keys():
        return f"scores are of {sorted(scores)}, but summaries of {sorted(summary)}"
    return next((f"scores.{name} has no values" for name, metric in scores.items() if not metric.values), "")


#: Fields that may differ between two records with the same key: where and for whom it was computed, not the result.
CIRCUMSTANCES = {"timing", "environment", "origin", "provenance", "matrix"}


def differences(a: Record, b: Record) -> list[str]:
    """The fields in which two records with the same key contradict each other."""
    one, other = _outcome(a), _outcome(b)
    # A floor lacks some. Compared both ways: 1.0 and 1 differ only as text, NaN and NaN only as numbers.
    pairs = {name: (one.get(name), other.get(name)) for name in one.keys() | other.keys()}
    return sorted(name for name, (x, y) in pairs.items() if x != y and sorted_json(x) != sorted_json(y))


def sorted_json(content: object) -> str:
    """JSON text that is equal for equal content. Unlike a key's canonical JSON, it accepts NaN, which a submitted
    record may hold."""
    return json.dumps(content, sort_keys=True)


def _outcome(record: Record) -> dict[str, Any]:
    found = record.model_dump(mode="json", exclude=CIRCUMSTANCES)
    # What a matrix called things changes with the matrix.
    found["content"].pop("names", None)
    if record.flags.floor:
        # Nothing was trained: source, selection and recipe come from the matrix and are not in the key.
        del found["source"], found["flags"]["selection"]
        for name in ("recipe", "source_pixels"):
            found["content"].pop(name, None)
    return found
