"""What a record's `content` must hold, and the keys that follow from it.

A record is found by hashes of its settings. Whoever writes scores under a key that his settings do not give, has
changed one of the two; so both keys are computed again from the content alone, as `benchbench.plan` makes them.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchbench.errors import BenchbenchError
from benchbench.keys import canonical, content_key
from benchbench.matrix import TrainingSettings, Tuned
from benchbench.records import Record
from benchbench.registry import key_content, resolve_component
from benchbench.settings import ComponentRef
from benchbench.stages import LABELLED_REGIMES, REGIMES, chain

#: Of a content, what follows from the rest, or is only known once it was scored.
DERIVED = {"stages", "source_pixels", "training_ways", "norm", "adaptation_steps", "pretrained_on"}


class _Component(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str = Field(pattern=r"^[^:]+:[a-z][a-z0-9+-]*$")
    revision: int
    settings: dict[str, Any]


class _Data(_Component):
    fingerprint: str


class _Recipe(BaseModel):
    """Every setting is written out, so that a later default changes no record's meaning."""

    budget: dict[str, int]
    episodes: dict[str, int]
    training: dict[str, Any]
    selection: str
    threads: int

    @field_validator("training")
    @classmethod
    def _whole(cls, training: dict[str, Any]) -> dict[str, Any]:
        if missing := TrainingSettings.model_fields.keys() - training.keys():
            raise ValueError(f"lacks {', '.join(sorted(missing))}")
        return training


class _Content(BaseModel):
    """Keys that a component writes beside these are its own business."""

    model_config = ConfigDict(strict=True)

    pretext: _Component
    learner: _Component
    backbone: _Component
    target: _Component
    protocol: _Component
    recipe: _Recipe
    seed: int
    stages: list[str]
    tuned: list[Tuned] = []


class _Trained(_Content):
    source: _Data


class _Untrained(_Content):
    sample: list[int]


class _AsWritten(ComponentRef):
    """A component as a record holds it: its settings are those that entered the key, so its code is not needed."""

    def load(self) -> type:
        return object


def content_faults(record: Record) -> list[str]:
    """What a record's content lacks, or says otherwise than the record's own fields. Empty where all is well."""
    content = record.content
    model = _Untrained if record.flags.floor else _Trained
    try:
        model.model_validate(content)
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
        if _bare(value) != _bare(name)
    ]
    if record.seed != content["seed"]:
        faults.append(f"seed is {record.seed}, but its content says {content['seed']}")
    if record.flags.selection != content["recipe"]["selection"]:
        faults.append(f"flags.selection is {record.flags.selection!r}, but its recipe says otherwise")
    if record.flags.floor != (not content["stages"]):
        faults.append("flags.floor says whether nothing was trained, and content.stages says otherwise")
    return faults


def key_faults(record: Record) -> tuple[list[str], list[str]]:
    """Keys that do not follow from the content, and what could not be recomputed and why: (faults, notes).

    Asks for a content without faults. Imports torch.
    """
    faults, notes = [], []
    if content_key(_training_content(record)) != record.training_key:
        faults.append(f"training_key {record.training_key[:12]} is not what its settings give")
    try:
        stages = stage_keys(record)
    except BenchbenchError as error:
        notes.append(f"stage keys are not recomputed: {error}")
    else:
        if stages != record.content["stages"]:
            faults.append("content.stages are not what its settings give with this engine revision")
    if "fingerprint" not in record.content["target"]:
        notes.append("key is not recomputed: a failed record does not hold its target's fingerprint")
    elif cell_key(record) != record.key:
        faults.append(f"key {record.key[:12]} is not what its settings give")
    return faults, notes


def _training_content(record: Record) -> dict[str, Any]:
    names = ["sample"] if record.flags.floor else ["source", "recipe"]
    names += [name for name in ("tuned",) if name in record.content]
    return {name: record.content[name] for name in ("backbone", "seed", "learner", "stages", *names)}


def stage_keys(record: Record) -> list[str]:
    """The keys of the stages that a record's content describes.

    Raises BenchbenchError where a labelled stage is not written in the record and its pretext is not installed.
    """
    if record.flags.floor:
        return []
    content, regime = record.content, record.method.regime
    if regime not in REGIMES:
        raise BenchbenchError(f"regime {regime!r} is unknown here")
    base = {name: content[name] for name in ("backbone", "source", "seed", "recipe")}
    pretext = _AsWritten(kind="pretext", **content["pretext"])
    meta = _AsWritten(kind="meta", **content["learner"])
    labels = resolve_component("pretext", "labels") if regime in LABELLED_REGIMES else None
    return [stage.key for stage in chain(regime, pretext, meta, labels, base)]  # type: ignore[arg-type]


def cell_key(record: Record) -> str:
    """The key of the cell that a record's content describes. Imports torch."""
    from benchbench.evaluation import EPISODES_REVISION

    protocol = ComponentRef(kind="protocol", **record.content["protocol"])
    try:
        written = key_content(protocol)
    except BenchbenchError:
        # Not installed here: which of its settings are neutral is then unknown, most have none.
        written = record.content["protocol"]
    content = {
        "training": record.training_key,
        "target": record.content["target"]["fingerprint"],
        "protocol": written,
        "episodes": EPISODES_REVISION,
    }
    return content_key(content)


def settings_of(record: Record) -> tuple[str, dict[str, int]]:
    """What was trained and scored, as text that is equal for records that differ in revisions alone, and these
    revisions by place."""
    revisions: dict[str, int] = {}
    settings = _without_revisions(record.content, revisions)
    names = [record.source, record.target, record.protocol, record.method.regime, record.seed]
    return canonical([names, settings]), revisions


def settings_digits(record: Record, *without: str) -> str:
    """Six digits of the key of a record's settings, revisions left out as well as the parts of its content named."""
    return content_key(_without_revisions({k: v for k, v in record.content.items() if k not in without}, {}))[:6]


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


def _bare(name: str) -> str:
    return name.split(":")[-1]
