"""What installed components can recompute about a record: its plan, test episodes, metrics, learner and labels.

Imports torch. Nothing is trained.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchbench.components.reference import ComponentRef
from benchbench.components.registry import find
from benchbench.components.settings import resolve_settings
from benchbench.data.modality import modality_named
from benchbench.data.prepare import prepare
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.encoding.task_norm import convert_norm, has_norm
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.errors import BenchbenchError, DataMissing
from benchbench.evaluation.independence import depends_on_queries
from benchbench.evaluation.protocol import Scores
from benchbench.evaluation.target import Target, TestBatch
from benchbench.keys import canonical
from benchbench.planning.floors import sample_of_floor
from benchbench.planning.plan import plan
from benchbench.results.audit import matrix_of
from benchbench.revisions import harness, revision_of
from benchbench.rng import Rng, seeded_globals
from benchbench.store.content import COMPONENTS
from benchbench.store.records import Record
from benchbench.training.chain import LABELLED_REGIMES, uses_labels
from benchbench.training.learner import MetaLearner


class _Blank:
    """Stands in for a trained encoder when only the episodes matter: it answers every query with the first class."""

    def __init__(self) -> None:
        self.adaptations = 0

    def logits(self, batch: TestBatch, rng: Rng) -> Tensor:
        """Zeros (B, Q, ways)."""
        self.adaptations += 1
        return torch.zeros(len(batch), batch.query.shape[1], batch.ways)


@dataclass(frozen=True)
class _Shape:
    """What a protocol gives on a target, whoever is scored: its episodes, the shape of its scores, whether it lets the
    learner adapt."""

    episodes_hash: str | None
    scores: dict[str, Scores]
    adapts: bool


class Recomputed:
    """Checks records against the installed components and the data at hand."""

    def __init__(self) -> None:
        self._shapes: dict[str, _Shape] = {}

    def faults(self, record: Record, *, episodes: bool = True) -> tuple[list[str], list[str]]:
        """Where a record differs from what is recomputed, and what could not be recomputed and why: (faults, notes).

        Without `episodes`, its test episodes are not drawn to be compared, which takes longest.
        """
        faults, notes = [], []
        checks = [self._check_components, self._check_plan, self._check_labels, self._check_metrics]
        checks += [self._check_learner, *([self._check_episodes] if episodes else [])]
        for check in checks:
            try:
                faults += check(record)
            except BenchbenchError as error:
                notes.append(f"{check.__doc__} not recomputed: {error}")
            if faults and check == self._check_components:
                break  # Nothing can be built of them.
        return faults, notes

    def _check_components(self, record: Record) -> list[str]:
        """revisions and settings"""
        faults = [
            f"it is recorded at {part} revision {held} of the harness, which has {revision}"
            for part, revision in harness().items()
            if (held := revision_of(record.content, part)) != revision
        ]
        for kind, part in _components(record.content):
            component = find(kind, part["name"]).load()
            if part["revision"] != (revision := getattr(component, "revision", 1)):
                faults.append(
                    f"{kind} {part['name']} is recorded at revision {part['revision']}, installed at {revision}"
                )
            try:
                # Records of sources hold no paths.
                paths = dict.fromkeys(getattr(component, "locators", ()), "")
                resolve_settings(f"{kind} {part['name']}", component, {**paths, **part["settings"]})
            except BenchbenchError as error:
                faults.append(f"its settings are refused: {error}")
        return faults

    def _check_plan(self, record: Record) -> list[str]:
        """its plan"""
        for kind, part in _components(record.content):
            find(kind, part["name"])  # Raises BenchbenchError if its plugin is not here.
        name = record.content["pretext"]["name"]
        pretext: Any = find("pretext", name).load()
        if record.flags.floor and pretext.objectives:
            return [f"flags.floor is True, but pretext {name} trains"]
        if record.status == "ok" and not (record.flags.floor or record.curve or pretext.closed_form):
            return [f"curve is missing: pretext {name} trains in steps"]
        try:
            todo = plan(matrix_of(record))
        except DataMissing:
            raise
        except BenchbenchError as error:
            if record.flags.floor:
                raise  # It holds no source, and some datasets cannot be without settings.
            return [f"it cannot be planned: {error}"]
        keys = {"training_key": todo.trainings[0].key, "key": todo.trainings[0].cells[0].key}
        return [
            f"{name} is not what its settings give with the components and data here"
            for name, key in keys.items()
            if getattr(record, name) != key
        ]

    def _check_labels(self, record: Record) -> list[str]:
        """flags.labels"""
        if record.flags.floor or record.status == "failed":
            return []
        chosen_by = {record.flags.selection, *(t["criterion"] for t in record.content.get("tuned", ()))}
        pretext = _installed("pretext", record.content["pretext"])
        read = {
            "labels": record.method.regime in LABELLED_REGIMES or uses_labels(pretext),
            "selection_labels": "labelled-valid" in chosen_by,
        }
        expected = {name: "source" if labelled else "none" for name, labelled in read.items()}
        return [
            f"flags.{name} is not {value!r}, what its method reads"
            for name, value in expected.items()
            if getattr(record.flags, name) != value
        ]

    def _check_metrics(self, record: Record) -> list[str]:
        """metrics"""
        if record.status == "failed":
            return []
        declared = set(_installed("protocol", record.content["protocol"]).build().metrics)
        # A protocol may score a metric at several steps: ``loss@1``.
        given = {name.partition("@")[0] for name in record.scores}
        faults = [f"scores.{name} is no metric of protocol {record.protocol}" for name in sorted(given - declared)]
        return faults + [f"scores.{name} is missing: its protocol measures it" for name in sorted(declared - given)]

    def _check_learner(self, record: Record) -> list[str]:
        """norms, adaptation steps, parameters and flags.transductive"""
        content = record.content
        if record.status == "failed":
            return []
        if record.flags.floor:
            sample = sample_of_floor(content)
        else:
            sample = prepare(_installed("dataset", content["source"])).sample
        with seeded_globals(Rng("recomputed")):
            backbone: Backbone = _installed("backbone", content["backbone"]).build(sample)
            learner: MetaLearner = _installed("meta", content["learner"]).build(convert_norm(backbone))
        norm = {"train": learner.train_norm, "test": learner.test_norm}
        right = {"norm": norm, "adaptation_steps": learner.adaptation_steps}
        faults = [f"content.{name} is not {value!r}, what its learner has" for name, value in right.items()
                  if name in content and content[name] != value]  # fmt: skip
        parameters = sum(p.numel() for p in backbone.parameters())
        if record.cost and record.cost.parameters != parameters:
            faults.append(f"cost.parameters is {record.cost.parameters}, but its backbone has {parameters}")
        sees = learner.transductive or (has_norm(backbone) and learner.test_norm in ("call", "episode"))
        sees = sees or _depends(learner, sample)
        expected = sees and self._shape(record).adapts
        if record.flags.transductive != expected:
            faults.append(f"flags.transductive is not {expected}, as its learner and protocol are")
        return faults

    def _check_episodes(self, record: Record) -> list[str]:
        """test episodes"""
        if record.status == "failed":
            return []
        found = self._shape(record)
        faults = []
        if record.episodes_hash != found.episodes_hash:
            faults.append("episodes_hash is not that of its target's fixed episodes")
        if found.scores.keys() != record.scores.keys():
            faults.append(f"scores are of {sorted(record.scores)}, its protocol gives {sorted(found.scores)}")
        for name in found.scores.keys() & record.scores.keys():
            given, right = record.scores[name], found.scores[name]
            if given.unit != right.unit:
                faults.append(f"scores.{name} has a value per {given.unit}, its protocol per {right.unit}")
            if len(given.values) != len(right.values):
                faults.append(f"scores.{name} has {len(given.values)} values, its protocol gives {len(right.values)}")
            if given.denominator != right.denominator:
                faults.append(f"scores.{name} counts of {given.denominator}, its protocol of {right.denominator}")
        return sorted(faults)

    def _shape(self, record: Record) -> _Shape:
        target, protocol = record.content["target"], record.content["protocol"]
        place = canonical([target, protocol])
        if place not in self._shapes:
            self._shapes[place] = _shape(target, protocol)
        return self._shapes[place]


def _depends(learner: MetaLearner, sample: SampleSpec) -> bool:
    """Whether a learner that was never trained scores queries by one another, as `Trained` measures it at test. False
    if it refuses the task."""
    shape, rng = EpisodeShape(5, 1, 2), Rng("recomputed", "queries")
    drawn = modality_named(sample.modality).examples(sample, shape.ways * shape.per_class, rng.cpu)
    x = drawn.unflatten(0, (1, shape.ways, shape.per_class))
    learner.encoder.eval()
    try:
        return depends_on_queries(learner.eval(), Episodes.from_classes(x, shape).withheld(), rng)
    except BenchbenchError:
        return False


def _shape(target: dict[str, Any], protocol: dict[str, Any]) -> _Shape:
    """Raises BenchbenchError if data or protocol are not here, or the protocol needs a trained encoder."""
    data = prepare(_installed("dataset", target))
    if data.fingerprint != target["fingerprint"]:
        raise BenchbenchError(f"it was scored on another version of the data than {data.name} is here")
    held, blank = Target(data, data.sample), _Blank()
    component = _installed("protocol", protocol).build()
    try:
        scores = component.evaluate(blank, held, Rng(0, "blank"))
    except AttributeError as error:
        raise BenchbenchError(f"protocol {protocol['name']} needs a trained encoder ({error})") from None
    return _Shape(held.episodes_hash, scores, blank.adaptations > 0)


def _components(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each component of a record's content with its kind, and those that their settings name."""
    todo: list[tuple[str | None, Any]] = [(COMPONENTS.get(name), value) for name, value in content.items()]
    while todo:
        kind, value = todo.pop()
        if isinstance(value, dict):
            if kind and {"name", "revision", "settings"} <= value.keys():
                yield kind, value
            todo += [(v.get("kind") if isinstance(v, dict) else None, v) for v in value.values()]
        elif isinstance(value, list):
            todo += [(v.get("kind") if isinstance(v, dict) else None, v) for v in value]


def _installed(kind: str, content: dict[str, Any]) -> ComponentRef:
    """The component in a record's content. Raises BenchbenchError if it is not installed at the recorded revision."""
    ref = ComponentRef(kind=kind, **content)
    revision = getattr(find(kind, ref.name).load(), "revision", 1)
    if revision != ref.revision:
        raise BenchbenchError(f"{kind} {ref.name} is recorded at revision {ref.revision}, installed at {revision}")
    return ref
