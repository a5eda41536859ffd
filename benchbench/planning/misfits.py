"""What makes no sense together, or asks for more than data have, and why. Builds components; computes nothing."""

from collections.abc import Mapping
from typing import Any

from benchbench.components.reference import ComponentRef, key_content, nested
from benchbench.data.modality import takes
from benchbench.data.prepare import Prepared
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.episodes.batch import EpisodeShape
from benchbench.episodes.variable import VariableShape
from benchbench.errors import BenchbenchError
from benchbench.evaluation.target import Target
from benchbench.keys import canonical
from benchbench.planning.rules import Point, label
from benchbench.rng import Rng, seeded_globals
from benchbench.training.chain import LABELLED_REGIMES, embedding, uses_labels
from benchbench.training.learner import MetaLearner
from benchbench.training.pretext import Pretext

#: The objectives that each regime needs its pretext to have.
NEEDS = {
    "joint": frozenset({"plain"}),
    "pseudo": frozenset({"episodes"}),
    "pipeline": frozenset({"plain"}),
    "auxiliary": frozenset({"plain"}),
    "meta-pretext": frozenset({"task"}),
    "meta-pretext-labels": frozenset({"task"}),
}


class Misfits:
    """The misfits of one matrix, whose checkpoints are chosen by `selection`; each combination is judged once."""

    def __init__(self, selection: str):
        self.selection = selection
        self._encoders: dict[str, Backbone] = {}
        self._methods: dict[str, str | None] = {}
        self._cells: dict[tuple[str, str, SampleSpec], str] = {}
        self._modalities: dict[str, str] = {}

    def of_point(self, point: Point, refs: Mapping[str, ComponentRef], *, implicit: bool) -> str | None:
        """Why a point is meaningless by what its components declare, or None if it is not; empty if its regime is
        `implicit`, a default that goes with other learners. `refs`: its components by axis."""
        loaded: dict[str, Any] = {axis: ref.load() for axis, ref in refs.items()}
        pretext, meta, backbone, protocol = (loaded[axis] for axis in ("pretext", "meta", "backbone", "protocol"))
        regime = point["regime"]
        if (regime == "joint") != meta.adapter_only:
            why = "only adapts, so it follows plain training (joint)" if meta.adapter_only else "needs meta-training"
            return "" if implicit else f"{point['meta']} {why}"
        if lacking := protocol.requires - backbone.provides:
            return f"backbone {point['backbone']} does not provide {', '.join(sorted(lacking))} for {point['protocol']}"
        source, target = self.modality(refs["source"]), self.modality(refs["target"])
        if source != target:
            return f"{point['source']} is of modality {source}, target {point['target']} of {target}"
        for axis in ("pretext", "backbone", "protocol"):
            if not takes(loaded[axis].modalities, source):
                return f"{axis} {point[axis]} is not for modality {source} of {point['source']}"
        if not pretext.objectives:
            # Nothing is trained, so one regime stands for all, whatever adapts afterwards.
            return None if regime == "joint" else f"pretext {point['pretext']} trains nothing for a meta-algorithm"
        if not backbone.trainable:
            return f"backbone {point['backbone']} has nothing to train"
        if not NEEDS[regime] <= pretext.objectives:
            return f"pretext {point['pretext']} has no {' or '.join(NEEDS[regime])} objective"
        before = embedding(refs["pretext"])
        if before and "plain" not in before.load().objectives:
            return f"its embedding {before.bare} has no plain objective"
        if regime.startswith("meta-pretext") and not meta.adapts_to_any_loss:
            return f"{point['meta']} adapts to labelled samples only, not to a pretext's own loss"
        if regime == "auxiliary" and not meta.joins_losses:
            return f"no auxiliary loss can join the outer step of {point['meta']}"
        if regime in LABELLED_REGIMES and uses_labels(refs["pretext"]):
            return f"regime {regime} joins an unlabelled pretext with labelled episodes"
        if regime == "joint" and self.selection == "pretext-valid" and uses_labels(refs["pretext"]):
            return "selection pretext-valid cannot judge a classifier of training classes by other classes"
        return None

    def modality(self, dataset: ComponentRef) -> str:
        """The modality of a dataset's samples."""
        place = canonical(dataset.model_dump(mode="json"))
        if place not in self._modalities:
            self._modalities[place] = dataset.build().modality
        return self._modalities[place]

    def of_method(
        self, point: Point, source: Prepared, pretext: ComponentRef, meta: ComponentRef, backbone: ComponentRef
    ) -> str | None:
        """Construct the components as a training will, once per combination, so that anything only a constructor can
        refuse is reported before anything runs. Returns why the combination is meaningless, or None if it is not.

        Raises BenchbenchError if a constructor refuses its settings or the shape of the samples.
        """
        sample = source.sample
        place = f"{canonical(key_content(backbone))} {sample}"
        key = f"{place} {canonical([key_content(pretext), key_content(meta)])} {point['regime']}"
        if key in self._methods:
            return self._methods[key]
        self._methods[key] = None
        parts = [part for part in [pretext, *nested(pretext)] if part.kind == "pretext"]
        for part in parts:
            if not takes(part.load().modalities, sample.modality):
                self._methods[key] = f"pretext {part.bare} is not for modality {sample.modality}"
                return self._methods[key]
            if reason := part.load().misfit(sample):
                self._methods[key] = f"pretext {part.bare} {reason}"
                return self._methods[key]
        if point["regime"] == "joint" and pretext.load().true_classes and _shared_meaning(source):
            self._methods[key] = f"classes mean the same in each source of {source.name}: no classifier tells all apart"
            return self._methods[key]
        if any(part.load().needs_order for part in parts) and not _shared_meaning(source):
            self._methods[key] = f"pretext {point['pretext']} needs classes that mean the same in each source"
            return self._methods[key]
        lacks = f"backbone {point['backbone']} does not provide "
        try:
            with seeded_globals(Rng("plan")):
                if place not in self._encoders:
                    self._encoders[place] = backbone.build(sample)
                encoder = self._encoders[place]
                if missing := frozenset[str]().union(*(part.load().requires for part in parts)) - encoder.provides:
                    self._methods[key] = lacks + ", ".join(sorted(missing))
                    return self._methods[key]
                task: Pretext = pretext.build(encoder, sample)
                learner: MetaLearner = meta.build(encoder)
        except BenchbenchError as error:
            raise BenchbenchError(f"{label(point)} on samples of shape {sample.shape}: {error}") from None
        except Exception:
            # A bug in a plugin must fail only the plugin's own trainings: it is recorded when they run.
            return None
        if task.objectives and not NEEDS[point["regime"]] <= task.objectives:
            self._methods[key] = f"pretext {point['pretext']} has no {' or '.join(NEEDS[point['regime']])} objective"
        elif point["regime"].startswith("meta-pretext") and not learner.adapts_to_any_loss:
            self._methods[key] = f"{point['meta']} adapts its head alone, not to a pretext's own loss"
        elif missing := (task.requires | learner.requires) - encoder.provides:
            self._methods[key] = lacks + ", ".join(sorted(missing))
        return self._methods[key]

    def of_source(self, source: Prepared, recipe: Mapping[str, Any], *, labelled: bool) -> str:
        """Why a source cannot be trained on by a recipe, from `labelled` episodes or not; empty if it can."""
        if not source.split.train:
            return f"dataset {source.name} has no training classes: it can only be a target"
        if self.selection != "last" and not source.split.valid:
            return f"dataset {source.name} has no validation classes, which selection {self.selection!r} needs"
        episodes = recipe["episodes"]
        held = Target(source, source.sample, part="train")
        try:
            if labelled:
                held.check(EpisodeShape(episodes["ways"], episodes["shots"], episodes["queries"]))
                if "sampler" in episodes:
                    held.check(VariableShape())
        except BenchbenchError as error:
            return str(error)
        return ""

    def of_cell(self, point: Point, target: Prepared, sample: SampleSpec, protocol: ComponentRef) -> str:
        """Why the protocol of a point cannot be run on its target; empty if it can."""
        place = (point["target"], point["protocol"], sample)
        if place not in self._cells:
            self._cells[place] = target.modality.misfit(target.raw, sample)
            try:
                protocol.build().check(Target(target, sample))
            except BenchbenchError as error:
                self._cells[place] = str(error)
        return self._cells[place]


def _shared_meaning(source: Prepared) -> bool:
    return any(part.ordered for part in source.split.sources)
