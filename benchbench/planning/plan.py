"""From a matrix to trainings and cells. Imports only the components the matrix names; computes and writes no
results."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from benchbench.components.reference import ComponentRef, key_content, resolve_component
from benchbench.data.missing import without_missing
from benchbench.data.prepare import Prepared, prepare, prepared
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.keys import canonical
from benchbench.planning.family import Family, FamilyCell
from benchbench.planning.floors import floor_sample
from benchbench.planning.matrix import Matrix
from benchbench.planning.misfits import Misfits
from benchbench.planning.names import kind_of, spelt
from benchbench.planning.rules import (
    AXES,
    KINDS,
    METHOD_AXES,
    TUNABLE,
    UNTRAINED,
    Point,
    applies,
    as_list,
    label,
    matches,
    raw_floors,
)
from benchbench.store.records import Method
from benchbench.training.chain import LABELLED_REGIMES, Regime, Training, uses_labels


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
        self.get = get
        self.result = Plan(self.matrix)
        self.refs: dict[tuple[str, str, str], ComponentRef | None] = {}
        self.protocols: dict[str, ComponentRef] = {}
        self.data: dict[str, Prepared | None] = {}
        self.misfits = Misfits(self.matrix.selection)
        self.impossible: list[tuple[str, str]] = []
        self.only = self._kept(only)

    def plan(self) -> Plan:
        self._check_names()
        self._check_data()
        grouped: dict[tuple[str, ...], list[Point]] = {}
        for point in self._points():
            method = tuple(point[a] for a in METHOD_AXES)
            grouped.setdefault(method, []).append(point)
        families = self._once([family for points in grouped.values() if (family := self._family(points))])
        seeds = dict.fromkeys(self.matrix.seeds)
        self.result.trainings = [family.training(seed) for seed in seeds for family in families]
        # Floors are no use without what they are a floor of.
        nothing_asked = not any(map(self._asked, grouped)) and bool(self.result.dropped)
        if not any(family.trains for family in families) and (self.impossible or not families or nothing_asked):
            left_out = [*self.result.broken, *self.impossible, *self.result.dropped][:3]
            why = "".join(f"; {label}: {reason}" for label, reason in left_out)
            raise BenchbenchError(
                f"matrix {self.matrix.name!r} is empty: its axes, excludes and --only leave no cell{why}"
            )
        return self.result

    def _asked(self, method: tuple[str, ...]) -> bool:
        """Whether the axes or an include name a method, not the floors alone."""
        point = dict(zip(METHOD_AXES, method, strict=True))
        rules: list[Mapping[str, Any]] = [{}, *self.matrix.include]
        return any(
            all(point[axis] in as_list(rule.get(axis, getattr(self.matrix.axes, axis))) for axis in TUNABLE)
            for rule in rules
        )

    # Names -> components

    def _check_names(self) -> None:
        instances = {kind: self.names.instances[kind] for kind in KINDS}
        for kind, named in (*self.matrix.settings.items(), *instances.items()):
            for name in named:
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
        """The rules that add points to those of the axes. Raw inputs are those of a source's own modality."""
        if not self.matrix.floors:
            return self.matrix.added(floors=False)
        modality = {n: self.misfits.modality(ref) for n in self.matrix.axes.source if (ref := self._ref("dataset", n))}
        raw = [
            {**rule, "source": sources}
            for name, rules in raw_floors().items()
            if (sources := [n for n, held in modality.items() if held == name])
            for rule in rules
        ]
        return [*self.matrix.added(floors=False), UNTRAINED, *raw]

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
            reason = self._meaningless(point)
            if reason is None:
                yield point
            elif reason:
                self._omit(label(point), reason)

    def _meaningless(self, point: Point) -> str | None:
        """Why a point is meaningless, or None if it is not; empty if the reason is reported elsewhere or is only a
        default regime."""
        refs = {a: self._ref(a, point[a], point) for a in TUNABLE}
        refs |= {a: self._ref("dataset", point[a]) for a in ("source", "target")}
        here = {axis: ref for axis, ref in refs.items() if ref is not None}
        here["protocol"] = self._protocol(point["protocol"])
        if len(here) <= len(refs):
            return ""
        return self.misfits.of_point(point, here, implicit="regime" not in self.matrix.axes.model_fields_set)

    def _omit(self, what: str, reason: str) -> None:
        if (what, reason) not in self.result.dropped:
            self.result.dropped.append((what, reason))

    def _cannot(self, label: str, reason: str) -> None:
        """Leave out what only the data show to be impossible."""
        if (label, reason) not in self.impossible:
            self.impossible.append((label, reason))
            self.result.dropped.append((label, reason))

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
        if source and (reason := self.misfits.of_method(point, source, pretext, meta, backbone)):
            self._omit(label(point), reason)
            return None
        recipe = self.matrix.recipe(point)
        trains = bool(pretext.load().objectives)
        labelled = regime in LABELLED_REGIMES
        if "sampler" in recipe["episodes"] and regime == "pseudo" and not pretext.load().true_classes:
            raise BenchbenchError(
                f"{label(point)}: pretext {point['pretext']} makes its own episodes, but sampler 'meta-dataset' draws "
                "them from labelled classes: set it in a [[when]] rule for pretexts that use those"
            )
        if "sampler" in recipe["episodes"] and regime.startswith("meta-pretext"):
            raise BenchbenchError(f"{label(point)}: regime {regime} has tasks of one size, not sampler 'meta-dataset'")
        reads_labels = labelled or uses_labels(pretext)
        if source and trains and (reason := self.misfits.of_source(source, recipe, labelled=reads_labels)):
            self._cannot(label(point), reason)
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
            sample=floor_sample(source, source_ref, backbone) if source else [],
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
                self._omit(family.label, f"is the same training as {first.label}")
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
            backbone = self._ref("backbone", point["backbone"], point)
            assert backbone
            own = backbone.load().of_target
            if reason := self.misfits.of_cell(point, target, target.raw if own else source.sample, protocol):
                self._cannot(f"{point['target']} {point['protocol']}", reason)
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
