"""From a matrix to trainings and cells. Imports only the components the matrix names; computes and writes no
results."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from benchbench.components.reference import ComponentRef, key_content, nested, resolve_component
from benchbench.data.missing import without_missing
from benchbench.data.prepare import Prepared, prepare, prepared
from benchbench.encoding.backbone import Backbone, SampleSpec
from benchbench.episodes.batch import EpisodeShape
from benchbench.episodes.variable import VariableShape
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.evaluation.target import Target
from benchbench.keys import canonical
from benchbench.planning.family import Family, FamilyCell
from benchbench.planning.matrix import AXES, KINDS, METHOD_AXES, TUNABLE, Matrix, applies, as_list, matches
from benchbench.planning.names import kind_of, spelt
from benchbench.rng import Rng, seeded_globals
from benchbench.store.records import Method
from benchbench.training.chain import LABELLED_REGIMES, Regime, Training, embedding, uses_labels
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

Point = dict[str, str]


@dataclass
class Plan:
    """What a matrix asks for. `dropped` lists meaningless points and why; `broken` the components whose plugin fails to
    import; `unprepared` the datasets whose keys are not known yet; `missing` the datasets left out, and where to put
    them."""

    matrix: Matrix
    trainings: list[Training] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    unprepared: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)


def plan(matrix: Matrix, *, only: Mapping[str, list[str]] | None = None, prepare_data: bool = True) -> Plan:
    """The trainings and cells of a matrix, in the order of its axes.

    `only` keeps the named values of an axis. With `prepare_data`, datasets are prepared first; without it, the keys of
    trainings on unprepared datasets are provisional. Raises BenchbenchError for bad input.
    """
    return _Planner(matrix, only or {}, prepare if prepare_data else prepared).plan()


class _Planner:
    def __init__(self, matrix: Matrix, only: Mapping[str, list[str]], get: Callable[[ComponentRef], Prepared | None]):
        self.matrix, self.names = spelt(matrix)
        self.only = self._kept(only)
        self.get = get
        self.result = Plan(self.matrix)
        self.refs: dict[tuple[str, str, str], ComponentRef | None] = {}
        self.protocols: dict[str, ComponentRef] = {}
        self.data: dict[str, Prepared | None] = {}
        self.encoders: dict[str, Backbone] = {}
        self.misfits: dict[str, str | None] = {}
        self.impossible: list[tuple[str, str]] = []
        self.unfit: dict[tuple[str, str, SampleSpec], bool] = {}

    def plan(self) -> Plan:
        self._check_names()
        self._check_data()
        grouped: dict[tuple[str, ...], list[Point]] = {}
        for point in self._points():
            method = tuple(point[a] for a in ("pretext", "meta", "backbone", "source", "regime"))
            grouped.setdefault(method, []).append(point)
        families = self._once([family for points in grouped.values() if (family := self._family(points))])
        seeds = dict.fromkeys(self.matrix.seeds)
        self.result.trainings = [family.training(seed) for seed in seeds for family in families]
        # Floors are no use without what they are a floor of.
        if not any(family.trains for family in families) and (self.impossible or not families):
            left_out = [*self.result.broken, *self.impossible, *self.result.dropped][:3]
            why = "".join(f"; {label}: {reason}" for label, reason in left_out)
            raise BenchbenchError(
                f"matrix {self.matrix.name!r} is empty: its axes, excludes and --only leave no cell{why}"
            )
        return self.result

    # Names -> components

    def _check_names(self) -> None:
        for kind, named in self.matrix.settings.items():
            for name in named:
                if kind == "protocol":
                    self._protocol(name)
                else:
                    self._ref(kind, name)
        for kind in KINDS:
            for name in self.names.instances[kind]:
                if kind == "protocol":
                    self._protocol(name)
                else:
                    self._ref(kind, name)

    def _kept(self, only: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The values of the axes that ``--only`` keeps."""
        kept: dict[str, list[str]] = {}
        for axis, names in only.items():
            if axis not in AXES:
                raise BenchbenchError(f"--only {axis}: unknown axis{suggest(axis, AXES)}")
            known = self._on_axis(axis)
            for name in names:
                values = self.names.meant(axis, name, known)
                if not values:
                    raise BenchbenchError(f"--only {axis}={name}: not in this matrix{suggest(name, known)}")
                kept.setdefault(axis, []).extend(values)
        return kept

    def _on_axis(self, axis: str) -> list[str]:
        """The names on an axis, with those that rules add to it."""
        added = (n for rule in self._extra() for n in as_list(rule.get(axis, [])))
        return list(dict.fromkeys([*getattr(self.matrix.axes, axis), *added]))

    def _check_data(self) -> None:
        for axis in ("source", "target") if self.matrix.missing == "skip" else ():
            names = getattr(self.matrix.axes, axis)
            if all(self._ref("dataset", name) is None for name in names):
                why = "".join(f"\n  {lack}: {reason}" for lack, reason in self.result.missing)
                raise BenchbenchError(f"matrix {self.matrix.name!r}: no dataset of its axis {axis!r} is there:{why}")

    def _ref(self, kind: str, name: str, point: Point | None = None) -> ComponentRef | None:
        """The component with this matrix's settings, at a point also those of ``[[when]]`` rules, or None if its plugin
        is broken or its data are left out (both reported once)."""
        tables = {
            number: rule["settings"].get(kind, {})
            for number, rule in enumerate(self.matrix.when)
            if point and "settings" in rule and applies(rule, point)
        }
        key = (kind, name, canonical([*tables.values()]) if tables else "")
        if key not in self.refs:
            of = self.names.component(kind, name)
            given: dict[str, Any] = {}
            for table in tables.values():
                given |= table.get(of, {}) | table.get(name, {})
            where = [f"when.{number}.settings" for number, table in tables.items() if {of, name} & table.keys()]
            try:
                self.refs[key] = ref = self.names.resolve(kind, name, given, " and ".join(where))
                if kind == "dataset" and self.matrix.missing == "skip":
                    self.refs[key], missing = without_missing(ref)
                    self.result.missing += [lack for lack in missing if lack not in self.result.missing]
            except BrokenPlugin as error:
                self.refs[key] = None
                self.result.broken.append((f"{kind} {name}", str(error)))
        return self.refs[key]

    def _protocol(self, name: str) -> ComponentRef:
        if name not in self.protocols:
            self.protocols[name] = self.names.resolve("protocol", name)
        return self.protocols[name]

    def _prepared(self, name: str) -> Prepared | None:
        if name not in self.data:
            ref = self._ref("dataset", name)
            self.data[name] = self.get(ref) if ref else None
            if ref and self.data[name] is None:
                self.result.unprepared.append(name)
        return self.data[name]

    # Points of the axes

    def _all_points(self) -> Iterator[Point]:
        axes = {axis: getattr(self.matrix.axes, axis) for axis in AXES}
        for values in product(*axes.values()):
            yield dict(zip(AXES, values, strict=True))
        for rule in self._extra():
            free = {axis: as_list(rule.get(axis, axes[axis])) for axis in AXES}
            for values in product(*free.values()):
                yield dict(zip(AXES, values, strict=True))

    def _extra(self) -> list[Mapping[str, Any]]:
        """The rules that add points to those of the axes."""
        return self.matrix.added(floors=self.matrix.floors)

    def _points(self) -> Iterator[Point]:
        seen: set[tuple[str, ...]] = set()
        for point in self._all_points():
            if any(matches(rule, point) for rule in self.matrix.exclude):
                continue
            if not all(point[axis] in names for axis, names in self.only.items()):
                continue
            key = tuple(point[axis] for axis in AXES)
            if key in seen:
                continue
            seen.add(key)
            reason = self._impossible(point)
            if reason is None:
                yield point
            elif reason:
                self._drop(point, reason)

    def _drop(self, point: Point, reason: str) -> None:
        self._omit(_label(point), reason)

    def _omit(self, label: str, reason: str) -> None:
        if (label, reason) not in self.result.dropped:
            self.result.dropped.append((label, reason))

    def _cannot(self, label: str, reason: str) -> None:
        """Leave out what only the data show to be impossible."""
        if (label, reason) not in self.impossible:
            self.impossible.append((label, reason))
            self.result.dropped.append((label, reason))

    def _impossible(self, point: Point) -> str | None:
        """Why a point is meaningless, or None if it is not; empty if the reason is reported elsewhere or is only a
        default regime."""
        refs = {a: self._ref(a, point[a], point) for a in TUNABLE}
        refs |= {a: self._ref("dataset", point[a]) for a in ("source", "target")}
        protocol = self._protocol(point["protocol"]).load()
        loaded = {axis: ref.load() for axis, ref in refs.items() if ref is not None}
        if len(loaded) < len(refs):
            return ""
        pretext, meta, backbone, source = (loaded[a] for a in ("pretext", "meta", "backbone", "source"))
        regime = point["regime"]
        implicit = "regime" not in self.matrix.axes.model_fields_set
        if (regime == "joint") != meta.adapter_only:
            why = "only adapts, so it follows plain training (joint)" if meta.adapter_only else "needs meta-training"
            return "" if implicit else f"{point['meta']} {why}"
        if lacking := protocol.requires - backbone.provides:
            return f"backbone {point['backbone']} does not provide {', '.join(sorted(lacking))} for {point['protocol']}"
        if not pretext.objectives:
            # Nothing is trained, so one regime stands for all, whatever adapts afterwards.
            return None if regime == "joint" else f"pretext {point['pretext']} trains nothing for a meta-algorithm"
        if not backbone.trainable:
            return f"backbone {point['backbone']} has nothing to train"
        if not NEEDS[regime] <= pretext.objectives:
            return f"pretext {point['pretext']} has no {' or '.join(NEEDS[regime])} objective"
        before = embedding(refs["pretext"])  # type: ignore[arg-type]
        if before and "plain" not in before.load().objectives:
            return f"its embedding {before.bare} has no plain objective"
        if regime.startswith("meta-pretext") and not meta.adapts_to_any_loss:
            return f"{point['meta']} adapts to labelled samples only, not to a pretext's own loss"
        if regime == "auxiliary" and not meta.joins_losses:
            return f"{point['meta']} makes an outer step of its own, which no auxiliary loss can join"
        if regime in LABELLED_REGIMES and uses_labels(refs["pretext"]):
            return f"regime {regime} joins an unlabelled pretext with labelled episodes"
        if regime == "joint" and self.matrix.selection == "pretext-valid" and uses_labels(refs["pretext"]):
            return "selection pretext-valid cannot judge a classifier of training classes by other classes"
        if source.modality not in pretext.modalities & backbone.modalities:
            return f"modality {source.modality} of {point['source']} does not fit"
        return None

    # Points -> trainings

    def _family(self, points: list[Point]) -> Family | None:
        """What the trainings of these points share across seeds, or None if the combination is meaningless. The points
        differ only in target and protocol."""
        point = points[0]
        pretext, meta, backbone = (self._ref(a, point[a], point) for a in TUNABLE)
        source_ref = self._ref("dataset", point["source"])
        assert pretext
        assert meta
        assert backbone
        assert source_ref
        source = self._prepared(point["source"])
        regime: Regime = point["regime"]  # type: ignore[assignment]
        if source and (reason := self._misfit(point, source, pretext, meta, backbone)):
            self._drop(point, reason)
            return None
        recipe = self.matrix.recipe(point)
        trains = bool(pretext.load().objectives)
        labelled = regime in LABELLED_REGIMES
        if "sampler" in recipe["episodes"] and regime == "pseudo" and not pretext.load().true_classes:
            raise BenchbenchError(
                f"{_label(point)}: pretext {point['pretext']} makes its own episodes, but sampler 'meta-dataset' draws "
                "them from labelled classes: set it in a [[when]] rule for pretexts that use those"
            )
        if "sampler" in recipe["episodes"] and regime.startswith("meta-pretext"):
            raise BenchbenchError(f"{_label(point)}: regime {regime} has tasks of one size, not sampler 'meta-dataset'")
        if source and trains:
            try:
                self._check_source(source, recipe, labelled=labelled or uses_labels(pretext))
            except BenchbenchError as error:
                self._cannot(_label(point), str(error))
                return None
        cells = self._distinct(cell for p in points if (cell := self._cell(p, source)))
        if not cells:
            return None
        return Family(
            matrix=self.matrix.name,
            method=Method(**{a: self.names.component(a, point[a]) for a in TUNABLE}, regime=regime),
            source_name=self.names.component("dataset", point["source"]),
            names=self._own_names(point, METHOD_AXES[:-1]),
            pretext=pretext,
            meta=meta,
            labels=resolve_component("pretext", "labels") if labelled else None,
            backbone=backbone,
            source=source_ref,
            recipe=recipe,
            trains=trains,
            sample=list(source.table.shape) if source else [],
            contents={
                "pretext": key_content(pretext),
                "learner": key_content(meta),
                "backbone": key_content(backbone),
                "source": {**key_content(source_ref), "fingerprint": source.fingerprint if source else "not prepared"},
            },
            cells=cells,
            tuned=self._tuned(point, [pretext, meta, backbone], recipe if trains else {}),
        )

    def _tuned(self, point: Point, refs: list[ComponentRef], recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The declared searches that settings of the given components and recipe at a point come from. Raises
        BenchbenchError if a setting has a value that its search cannot have found, or if a seed that it chose by is to
        be reported."""
        found = []
        where = f"matrix {self.matrix.name!r}: [[tuned]]"
        for declared in self.matrix.tuned:
            searched = declared.tried(refs, recipe) if matches(declared.where or {}, point) else []
            for owner, setting, value, tried in searched:
                if value not in tried:
                    raise BenchbenchError(
                        f"{where} declares a search for {setting!r} of {owner} that cannot have found {value!r}, which "
                        "it is set to"
                    )
            if searched:
                if shared := set(declared.seeds or ()) & set(self.matrix.seeds):
                    raise BenchbenchError(
                        f"{where}: the search of {declared.method} chose by seed {min(shared)}, which may not be "
                        "reported too: give the matrix other seeds"
                    )
                found.append(declared.content())
        return found

    def _misfit(
        self, point: Point, source: Prepared, pretext: ComponentRef, meta: ComponentRef, backbone: ComponentRef
    ) -> str | None:
        """Construct the components as a training will, once per combination, so that anything only a constructor can
        refuse is reported before anything runs. Returns why the combination is meaningless, or None if it is not.

        Raises BenchbenchError if a constructor refuses its settings or the shape of the samples.
        """
        sample = SampleSpec(source.dataset.modality, source.table.shape)
        place = f"{canonical(key_content(backbone))} {sample}"
        key = f"{place} {canonical([key_content(pretext), key_content(meta)])} {point['regime']}"
        if key in self.misfits:
            return self.misfits[key]
        self.misfits[key] = None
        parts = [part for part in [pretext, *nested(pretext)] if part.kind == "pretext"]
        for part in parts:
            if reason := part.load().misfit(sample):
                self.misfits[key] = f"pretext {part.bare} {reason}"
                return self.misfits[key]
        lacks = f"backbone {point['backbone']} does not provide "
        try:
            with seeded_globals(Rng("plan")):
                if place not in self.encoders:
                    self.encoders[place] = backbone.build(sample)
                encoder = self.encoders[place]
                if missing := frozenset[str]().union(*(part.load().requires for part in parts)) - encoder.provides:
                    self.misfits[key] = lacks + ", ".join(sorted(missing))
                    return self.misfits[key]
                task: Pretext = pretext.build(encoder, sample)
                learner: MetaLearner = meta.build(encoder)
        except BenchbenchError as error:
            raise BenchbenchError(f"{_label(point)} on samples of shape {sample.shape}: {error}") from None
        except Exception:
            # A bug in a plugin must fail only the plugin's own trainings: it is recorded when they run.
            return None
        if task.objectives and not NEEDS[point["regime"]] <= task.objectives:
            self.misfits[key] = f"pretext {point['pretext']} has no {' or '.join(NEEDS[point['regime']])} objective"
        elif missing := (task.requires | learner.requires) - encoder.provides:
            self.misfits[key] = lacks + ", ".join(sorted(missing))
        return self.misfits[key]

    def _check_source(self, source: Prepared, recipe: dict[str, Any], labelled: bool) -> None:
        episodes = recipe["episodes"]
        if not source.split.train:
            raise BenchbenchError(f"dataset {source.name} has no training classes: it can only be a target")
        if self.matrix.selection != "last" and not source.split.valid:
            raise BenchbenchError(
                f"dataset {source.name} has no validation classes, which selection {self.matrix.selection!r} needs"
            )
        if labelled:
            held = Target(source, SampleSpec("image", source.table.shape), part="train")
            held.check(EpisodeShape(episodes["ways"], episodes["shots"], episodes["queries"]))
            if "sampler" in episodes:
                held.check(VariableShape())

    def _own_names(self, point: Point, axes: Iterable[str]) -> dict[str, str]:
        """The matrix's own names at a point, by axis."""
        return {axis: point[axis] for axis in axes if point[axis] in self.names.instances[kind_of(axis)]}

    def _once(self, families: list[Family]) -> list[Family]:
        """The families without those that two names of the same settings would train twice; the first has all their
        cells."""
        found: dict[str, Family] = {}
        for family in families:
            # An untrained encoder has the same key whatever the source.
            key = canonical([family.training(0).key, family.source_name if not family.trains else ""])
            first = found.setdefault(key, family)
            if first is not family:
                self.result.dropped.append((family.label, f"is the same training as {first.label}"))
                found[key] = replace(first, cells=self._distinct([*first.cells, *family.cells]))
        return list(found.values())

    def _distinct(self, cells: Iterable[FamilyCell]) -> list[FamilyCell]:
        """The cells of a training without those that two names of the same settings would score twice."""
        found: dict[str, FamilyCell] = {}
        for cell in cells:
            first = found.setdefault(cell.same, cell)
            if first.label != cell.label:
                self._omit(cell.label, f"is the same as {first.label}")
        return list(found.values())

    def _cell(self, point: Point, source: Prepared | None) -> FamilyCell | None:
        """A cell of the training at a point, or None if its protocol cannot be run on its target."""
        target_ref, protocol = self._ref("dataset", point["target"]), self._protocol(point["protocol"])
        assert target_ref
        target = self._prepared(point["target"])
        if target and source:
            sample = SampleSpec("image", source.table.shape)
            place = (point["target"], point["protocol"], sample)
            if place not in self.unfit:
                try:
                    protocol.build().check(Target(target, sample))
                except BenchbenchError as error:
                    self._cannot(f"{point['target']} {point['protocol']}", str(error))
                    self.unfit[place] = True
                else:
                    self.unfit[place] = False
            if self.unfit[place]:
                return None
        fingerprint = target.fingerprint if target else f"{point['target']} is not prepared"
        return FamilyCell(
            target_ref,
            self.names.recorded(point["protocol"], protocol),
            protocol,
            fingerprint,
            key_content(protocol),
            self._own_names(point, ("target", "protocol")),
        )


def _label(point: Point) -> str:
    return f"{point['pretext']} × {point['meta']} ({point['backbone']}, {point['source']}, {point['regime']})"
