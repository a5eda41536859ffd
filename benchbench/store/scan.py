"""Records decoded for tables: as strictly as `benchbench.store.records.parse_record`, several times as fast.

Nothing of a line becomes a model: what repeats from record to record stays as the bytes that it is, checked once.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from benchbench.store.content import shape_fault
from benchbench.store.lines import LONGEST, fault
from benchbench.store.records import SCHEMA, Labels, Origin, Record, labels_before_3, parse_record, scores_fault

#: As far as a JSON number is taken by every reader.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
#: An integer of 64 bits or more, wherever one can stand: a float field would take it.
_HUGE = re.compile(rb"[:\[,]\s*-?\d{19}")
#: So many digits on end, once every digit is a 0: asked first, in a twentieth of the time.
_DIGITS, _LONG = bytes.maketrans(b"123456789", b"0" * 9), b"0" * 19


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Method(_Strict):
    """As `benchbench.store.records.Method`."""

    pretext: str
    meta: str
    backbone: str
    regime: str


class Metric(_Strict):
    """As `benchbench.store.records.Metric`; `values` hold JSON."""

    values: msgspec.Raw
    denominator: Whole | None = None
    unit: str = "episode"


class Summary(_Strict):
    """As `benchbench.store.records.Summary`."""

    mean: float
    ci95: float
    n: Whole


class Cost(_Strict):
    """As `benchbench.store.records.Cost`."""

    parameters: Whole
    samples: Whole
    encoder_passes: Whole
    flops: Whole


class Flags(_Strict):
    """As `benchbench.store.records.Flags`."""

    transductive: bool
    labels: Labels
    selection: str
    floor: bool
    selection_labels: Labels = "none"


class Provenance(_Strict):
    """As `benchbench.store.records.Provenance`."""

    who: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    contact: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    when: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]


class Line(_Strict):
    """A record; `content`, `curve` and `environment` hold JSON."""

    key: str
    training_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    status: Literal["ok", "failed"]
    matrix: str
    method: Method
    source: str
    target: str
    protocol: str
    seed: Whole
    content: dict[str, msgspec.Raw]
    flags: Flags
    schema_version: Whole = SCHEMA
    reason: str | None = None
    scores: dict[str, Metric] = {}
    summary: dict[str, Summary] = {}
    episodes_hash: str | None = None
    cost: Cost | None = None
    curve: msgspec.Raw = msgspec.Raw(b"[]")
    timing: dict[str, float] = {}
    environment: dict[str, msgspec.Raw] = {}
    origin: Origin = "own"
    provenance: Provenance | None = None
    #: Of schema 2, where it stood for `origin`.
    external: bool | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(Line)
_values = msgspec.json.Decoder(list[Whole | float])
_curve = msgspec.json.Decoder(list[dict[str, float]])


def scan(line: bytes) -> Line | Record:
    """A record's line. Raises ValueError naming the fields at fault, as `parse_record` does."""
    try:
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_record(line)
    if found.schema_version != 2 and (found.schema_version != SCHEMA or found.external is not msgspec.UNSET):
        return parse_record(line)
    held = *found.content.items(), *(("", value) for value in found.environment.values())
    sound = (
        len(line) <= LONGEST
        and not (_LONG in line.translate(_DIGITS) and _HUGE.search(line))
        and all(_sound(name, bytes(raw)) for name, raw in held)
        and all(_numbers(bytes(metric.values)) for metric in found.scores.values())
        and _is_curve(bytes(found.curve))
    )
    if not sound or scores_fault(found.status, found.scores, found.summary):
        return parse_record(line)
    if found.schema_version == 2:
        about = found.flags.labels, found.flags.selection, found.method.regime, _decoded(found.content)
        found.flags.labels, found.flags.selection_labels = labels_before_3(*about)
        found.origin = "external" if found.external is True else "own"
    return found


def _numbers(values: bytes) -> bool:
    """Whether these are numbers, and not none. Lists of counts, as nearly all are, are told without making one."""
    if values.translate(None, b"0123456789,") == b"[]":
        return values != b"[]"
    try:
        return bool(_values.decode(values))
    except (msgspec.MsgspecError, RecursionError):
        return False


@lru_cache(maxsize=16)
def _is_curve(points: bytes) -> bool:
    """Whether this is a learning curve. The records of a training repeat it, one after the other."""
    try:
        _curve.decode(points)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


@lru_cache(maxsize=65536)
def _sound(name: str, value: bytes) -> bool:
    """Whether a record may hold a value, two levels deep, as this field of its content; the environment's have none."""
    try:
        held = msgspec.json.decode(value)
        return not fault([[held]]) and not shape_fault(name, held)
    except (msgspec.MsgspecError, RecursionError):
        return False


def _decoded(content: Mapping[str, msgspec.Raw]) -> dict[str, object]:
    return {name: msgspec.json.decode(content[name]) for name in ("pretext", "tuned") if name in content}
