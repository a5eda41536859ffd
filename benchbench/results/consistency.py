"""What a record's `content` must hold, and the keys that follow from it.

A record is found by hashes of its settings. If its scores are stored under a key that its settings do not give, one of
the two was changed; so both keys are recomputed from the content alone, by `benchbench.planning.identity`.
"""

from contextlib import suppress
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from benchbench.components.limits import check_values
from benchbench.components.reference import ComponentRef, bare, key_content, resolve_component
from benchbench.components.registry import find, offers
from benchbench.errors import BenchbenchError
from benchbench.keys import canonical, content_key
from benchbench.planning.identity import cell_key, keyed, training_key
from benchbench.planning.names import kind_of, own_name_fault
from benchbench.planning.presets import name_fault
from benchbench.planning.recipe import Budget, Optimisation, Precision
from benchbench.planning.tuned import Tuned
from benchbench.revisions import harness, revision_of
from benchbench.store.content import COMPONENTS, DERIVED, FIELDS, LATER
from benchbench.store.records import Record
from benchbench.training.chain import LABELLED_REGIMES, REGIMES, chain


class _Component(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str = Field(pattern=r"^[^:]+:[a-z][a-z0-9+-]*$")
    revision: int
    settings: dict[str, Any]


class _Data(_Component):
    fingerprint: str


class _Recipe(BaseModel):
    """Every setting is written out, so that a default added or changed later does not change a record's meaning."""

    budget: Budget
    episodes: dict[str, int | str]
    training: dict[str, Any]
    selection: str
    threads: int
    precision: Precision

    @field_validator("training")
    @classmethod
    def _whole(cls, training: dict[str, Any]) -> dict[str, Any]:
        if missing := Optimisation.model_fields.keys() - training.keys():
            raise ValueError(f"lacks {', '.join(sorted(missing))}")
        return training


class _OfTarget(BaseModel):
    """A floor's encoder is made for the samples of its target."""

    of: Literal["target"]


class _Vocabulary(BaseModel):
    source: _Data
    tokens: int
    digest: str


class _Sample(BaseModel):
    """What a floor's encoder is made for, of samples that are no images."""

    modality: str
    shape: list[int]
    vocabulary: _Vocabulary | None = None


#: What is expected of a field that holds more than a component, or no component.
_TYPES: dict[str, Any] = {
    "source": _Data,
    "sample": list[int] | _OfTarget | _Sample,
    "recipe": _Recipe,
    "tuned": list[Tuned],
    "seed": int,
    "stages": list[str],
}


@cache
def _model(floor: bool) -> type[BaseModel]:
    """What a content must hold; a component may write further keys beside these."""
    fields: dict[str, Any] = {
        name: (_TYPES.get(name, _Component), [] if name == "tuned" else ...)
        for name, field in FIELDS.items()
        if name not in LATER and name != ("source" if floor else "sample")
    }
    return create_model("Content", __config__=ConfigDict(strict=True), **fields)


class _AsWritten(ComponentRef):
    """A component as a record holds it. Its settings are those that entered the key, so its code is not needed."""

    def load(self) -> type:
        return object


def content_faults(record: Record) -> list[str]:
    """What a record's content lacks, or where it contradicts the record's own fields. Empty if all is well."""
    content = record.content
    try:
        check_values("content", content)
    except BenchbenchError as error:
        return [str(error)]
    try:
        _model(record.flags.floor).model_validate(content)
        if record.status == "ok":
            _Data.model_validate(content["target"])
    except ValidationError as error:
        return [f"content.{'.'.join(map(str, e['loc']))}: {e['msg'][0].lower()}{e['msg'][1:]}" for e in error.errors()]
    written = {
        "method.pretext": (record.method.pretext, content["pretext"]["name"]),
        "method.meta": (record.method.meta, content["learner"]["name"]),
        "method.backbone": (record.method.backbone, content["backbone"]["name"]),
        "target": (record.target, content["target"]["name"]),
    }
    if not record.flags.floor:
        written["source"] = (record.source, content["source"]["name"])
    faults = [
        f"{field} is {value!r}, but its content says {name!r}"
        for field, (value, name) in written.items()
        if value not in (name, bare(name))
    ]
    faults += [
        f"content.harness: {part} revision {held} is not one of this harness, whose latest is {harness().get(part)}"
        for part, held in content.get("harness", {}).items()
        if not 1 <= held <= harness().get(part, 0)
    ]
    faults += _origin_faults(record)
    faults += _name_faults(content)
    if record.method.regime not in REGIMES:
        faults.append(f"method.regime {record.method.regime!r} is unknown: expected one of {', '.join(REGIMES)}")
    protocol = content["protocol"]
    if fault := name_fault(record.protocol, protocol["name"], protocol["settings"]):
        faults.append(fault)
    if record.seed != content["seed"]:
        faults.append(f"seed is {record.seed}, but its content says {content['seed']}")
    if any(record.seed in (search.get("seeds") or ()) for search in content.get("tuned", ())):
        faults.append(f"seed {record.seed} chose its settings too: a search's own seeds may not be reported")
    if record.flags.selection != content["recipe"]["selection"]:
        faults.append(f"flags.selection is {record.flags.selection!r}, but its recipe says otherwise")
    if record.flags.floor != (not content["stages"]):
        faults.append("flags.floor says whether nothing was trained, and content.stages says otherwise")
    return faults + _trained_as_faults(content)


def _trained_as_faults(content: dict[str, Any]) -> list[str]:
    """Settings that a training is said to have had others of, though they bear on it."""
    held = set(content.get("trained_as", {}))
    if not held:
        return []
    learner = content["learner"]
    allowed = learner["settings"].keys()
    with suppress(BenchbenchError):
        cls: Any = find("meta", learner["name"]).load()
        allowed &= cls.test_settings
    return [f"content.trained_as: {name!r} is no test setting of {learner['name']}" for name in sorted(held - allowed)]


def _origin_faults(record: Record) -> list[str]:
    """Components of a distribution that the record was not made with, or that go by the name of another's."""
    faults, content = [], record.content
    given = record.environment.get("distributions")
    distributions = given if isinstance(given, dict) else {}
    if record.status == "ok" and given is not distributions:
        faults.append("environment.distributions does not say what the record was made with")
    shown = {
        "pretext": ("method.pretext", record.method.pretext),
        "learner": ("method.meta", record.method.meta),
        "backbone": ("method.backbone", record.method.backbone),
        "source": ("source", record.source),
        "target": ("target", record.target),
    }
    for part in shown.keys() & content.keys():
        (field, title), name = shown[part], content[part]["name"]
        trained_with = record.status == "ok" and field.startswith("method.")
        if trained_with and isinstance(given, dict) and name.partition(":")[0] not in distributions:
            faults.append(f"content.{part} is {name}, of a distribution that environment.distributions does not have")
        others = [o.qualified for o in offers(COMPONENTS[part]) if o.name == bare(name) and o.qualified != name]
        if others and title != name:
            faults.append(f"{field} is a name of {others[0]} too: it must be written in full, {name!r}")
    return sorted(faults)


def _name_faults(content: dict[str, Any]) -> list[str]:
    """Names of the record's own that stand for no part of it, or that are another component's."""
    parts = {"meta": "learner"} | {axis: axis for axis in ("pretext", "backbone", "source", "target", "protocol")}
    faults = []
    for axis, name in content.get("names", {}).items():
        part = content.get(parts.get(axis, ""))
        if part is None and axis == "source" and "sample" in content:
            # A floor was planned beside trainings on a source, of which its content holds only what samples look like.
            continue
        if part is None:
            faults.append(f"content.names: {axis!r} is no part of this record")
        elif fault := own_name_fault(kind_of(axis), name, bare(part["name"])):
            faults.append(f"content.names.{axis}: {fault}")
    return faults


def key_faults(record: Record) -> tuple[list[str], list[str]]:
    """Keys that do not follow from the content, and what could not be recomputed and why: (faults, notes).

    Requires a content without faults.
    """
    faults, notes = [], []
    if training_key(record.content) != record.training_key:
        faults.append(f"training_key {record.training_key[:12]} is not what its settings give")
    try:
        stages = stage_keys(record)
    except BenchbenchError as error:
        notes.append(f"stage keys are not recomputed: {error}")
    else:
        if stages != record.content["stages"]:
            faults.append("content.stages are not what its settings give with its engine revision")
    fingerprint = record.content["target"].get("fingerprint")
    if fingerprint is None:
        notes.append("key is not recomputed: a failed record does not hold its target's fingerprint")
    elif cell_key(record.training_key, fingerprint, _protocol(record), record.content) != record.key:
        faults.append(f"key {record.key[:12]} is not what its settings give")
    return faults, notes


def stage_keys(record: Record) -> list[str]:
    """The keys of the stages that a record's content describes.

    Raises BenchbenchError if the regime has a labelled stage, whose pretext the record does not hold, and that pretext
    is not installed.
    """
    if record.flags.floor:
        return []
    content, regime = record.content, record.method.regime
    pretext = _AsWritten(kind="pretext", **content["pretext"])
    meta = _AsWritten(kind="meta", **content["learner"])
    labels = resolve_component("pretext", "labels") if regime in LABELLED_REGIMES else None
    links = chain(regime, pretext, meta, labels)  # type: ignore[arg-type]
    return [stage.key for stage in keyed(links, content)]


def _protocol(record: Record) -> dict[str, Any]:
    """The part of a record's protocol that enters its key."""
    try:
        return key_content(ComponentRef(kind="protocol", **record.content["protocol"]))
    except BenchbenchError:
        # Not installed here, so it is unknown which of its settings are neutral; most protocols have none.
        return record.content["protocol"]


def settings_of(record: Record) -> tuple[str, dict[str, int]]:
    """What was trained and scored, as text that is equal for records that differ only in revisions, and these revisions
    by place."""
    revisions = {part: revision_of(record.content, part) for part in harness()}
    settings = _without_revisions(record.content, revisions)
    names = [record.source, record.target, record.protocol, record.method.regime, record.seed]
    return canonical([names, settings]), revisions


def settings_digits(record: Record, *without: str) -> str:
    """Six digits of the key of a record's settings, leaving out revisions and the named parts of its content."""
    return content_key(settings_content(record, *without))[:6]


def settings_content(record: Record, *without: str) -> dict[str, Any]:
    """A record's settings, leaving out revisions and the named parts of its content."""
    found: dict[str, Any] = _without_revisions({k: v for k, v in record.content.items() if k not in without}, {})
    return found


def _without_revisions(content: Any, revisions: dict[str, int], where: str = "") -> Any:
    if isinstance(content, list):
        return [_without_revisions(item, revisions, f"{where}.{i}") for i, item in enumerate(content)]
    if not isinstance(content, dict):
        return content
    derived = set() if where else DERIVED
    if {"name", "revision", "settings"} <= content.keys():
        revisions[f"{where} {content['name']}"] = content["revision"]
        derived = {"revision", "fingerprint", "pixels"}
    return {
        key: _without_revisions(value, revisions, f"{where}.{key}" if where else key)
        for key, value in content.items()
        if key not in derived
    }
