"""What a matrix calls its components: by name, ``distribution:name``, synonym or a name of its own, all brought to one
spelling before anything is planned. Keys hash what a name stands for, never the name."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from benchbench.components.reference import ComponentRef, bare, resolve_component
from benchbench.components.registry import find, shortest
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.planning.matrix import OWN_NAME, OWN_NAME_RULE, Matrix
from benchbench.planning.presets import load_protocol, name_fault, presets
from benchbench.planning.rules import AXES, KINDS, TUNABLE, as_list


def kind_of(axis: str) -> str:
    """The kind of component that stands on an axis."""
    return "dataset" if axis in ("source", "target") else axis


class Names:
    """The names of one matrix: those of its instances, and of every installed component; and what it sets of each."""

    def __init__(self, matrix: Matrix):
        self.instances: dict[str, dict[str, dict[str, Any]]] = {kind: getattr(matrix, kind) for kind in KINDS}
        self.tables: dict[str, Any] = {}
        self.place = f"matrix {matrix.name!r}: "
        for kind, named in self.instances.items():
            for name, about in named.items():
                where = f"{self.place}[{kind}.{name}]"
                try:
                    component = _component(kind, about["of"])
                except BenchbenchError as error:
                    raise BenchbenchError(f"{where}: of: {error}") from None
                if fault := own_name_fault(kind, name, component):
                    raise BenchbenchError(f"{where}: {fault}")

    def spelt(self, kind: str, name: str) -> str:
        """The one spelling of a name: an instance's own, a preset's, or the component's, bare unless two plugins offer
        it. Raises BenchbenchError for an unknown name, with the nearest."""
        return name if name in self.instances[kind] else _component(kind, name, self.instances[kind])

    def component(self, kind: str, name: str) -> str:
        """The component or preset that a spelt name stands for."""
        about = self.instances[kind].get(name)
        return _component(kind, about["of"]) if about else name

    def settings(self, kind: str, name: str) -> dict[str, Any]:
        """What the matrix sets of a spelt name: of its component, then in its instance, then by its own name."""
        of, own = self.component(kind, name), self.instances[kind].get(name, {})
        named = self.tables.get(kind, {})
        return {**named.get(of, {}), **{k: v for k, v in own.items() if k != "of"}, **named.get(name, {})}

    def resolve(
        self, kind: str, name: str, given: Mapping[str, Any] = MappingProxyType({}), where: str = ""
    ) -> ComponentRef:
        """The component of a spelt name with the matrix's settings, and `given` ones on top, which come from `where`.

        Raises BenchbenchError that says where a wrong setting stands.
        """
        of, settings = self.component(kind, name), {**self.settings(kind, name), **given}
        where = where or (f"[{kind}.{name}]" if name in self.instances[kind] and not given else "")
        try:
            if kind == "protocol":
                return load_protocol(of, {**self.tables.get(kind, {}), of: settings})
            return resolve_component(kind, of, settings)
        except BrokenPlugin:
            raise
        except BenchbenchError as error:
            raise BenchbenchError(f"{self.place}{where}: {error}") if where else error from None

    def recorded(self, name: str, protocol: ComponentRef) -> str:
        """What records call a protocol: by a preset's name only if an instance of it keeps the preset's settings."""
        of = self.component("protocol", name)
        return of if of == name or not name_fault(of, protocol.name, protocol.settings) else bare(protocol.name)

    def meant(self, axis: str, name: str, values: Iterable[str]) -> list[str]:
        """Which spelt `values` of an axis a name means: the one so called, else every instance of that component."""
        if axis == "regime":
            return [value for value in values if value == name]
        kind = kind_of(axis)
        try:
            spelt = self.spelt(kind, name)
        except BenchbenchError:
            return []
        values = list(values)
        return [spelt] if spelt in values else [v for v in values if self.component(kind, v) == spelt]


def _component(kind: str, name: str, others: Iterable[str] = ()) -> str:
    """The one spelling of a component or preset; `others` are names to suggest too."""
    known = presets() if kind == "protocol" else {}
    return name if name in known else shortest(find(kind, name, [*others, *known]))


def own_name_fault(kind: str, name: str, component: str) -> str:
    """Why a matrix may not call `component`, or a preset of it, by a name of its own: another goes by it, or it is no
    name. Empty if it may. A synonym of the component itself may stand for one of its instances."""
    if not OWN_NAME.fullmatch(name):
        return f"{name!r} is no name: {OWN_NAME_RULE}"
    if kind == "protocol" and name in presets():
        return f"{name!r} is the name of a preset: choose one of your own"
    try:
        offer = find(kind, name)
    except BenchbenchError:
        return ""
    if offer.name != name and component in (offer.name, offer.qualified):
        return ""
    return f"{name!r} is a name of {kind} {offer.qualified}: choose one of your own"


def spelt(matrix: Matrix) -> tuple[Matrix, Names]:
    """A matrix with every name in one spelling, each rule naming the values of the axes that it means; and its names.

    Raises BenchbenchError for a name that is unknown, and for a rule that names nothing on the axes.
    """
    names = Names(matrix)
    place = names.place
    axes = {
        axis: list(dict.fromkeys(_spelt(names, axis, getattr(matrix.axes, axis), f"{place}axes")))
        for axis in AXES
        if axis != "regime"
    }
    include = [
        {
            axis: given if axis == "regime" else _spelt(names, axis, given, f"{place}include.{number}")
            for axis, given in rule.items()
        }
        for number, rule in enumerate(matrix.include)
    ]
    whole = matrix.model_copy(update={"axes": matrix.axes.model_copy(update=axes), "include": include})
    known = {axis: _known(whole, names, axis) for axis in AXES}

    def meant(rule: Mapping[str, Any], where: str) -> dict[str, Any]:
        found = dict(rule)
        for axis in rule.keys() & set(AXES):
            found[axis] = []
            for name in as_list(rule[axis]):
                values = names.meant(axis, name, known[axis])
                if not values:
                    raise BenchbenchError(
                        f"{where}.{axis}: {name!r} is not on axis {axis!r}{suggest(name, known[axis])}"
                    )
                found[axis] += values
        if "settings" in rule:
            found["settings"] = _settings(names, rule["settings"], f"{where}.settings")
            for kind, tables in found["settings"].items():
                about = found.get(kind, known[kind])
                for name in tables:
                    if not names.meant(kind, name, about):
                        raise BenchbenchError(
                            f"{where}.settings.{kind}: {name!r} is no {kind} that the rule is about"
                            f"{suggest(name, about)}"
                        )
        return found

    update: dict[str, Any] = {
        section: [meant(rule, f"{place}{section}.{number}") for number, rule in enumerate(getattr(matrix, section))]
        for section in ("exclude", "when")
    }
    update["settings"] = names.tables = _settings(names, matrix.settings, f"{place}settings")
    update["tuned"] = [
        declared.model_copy(
            update={"where": {axis: _where(names, axis, given, known[axis]) for axis, given in declared.where.items()}}
        )
        if declared.where
        else declared
        for declared in matrix.tuned
    ]
    for declared in matrix.tuned:
        for kind in TUNABLE:
            # Keys hash a space as it is written, so it names components alone.
            for name in declared.space.get(kind, {}):  # type: ignore[attr-defined]
                find(kind, name)
    return whole.model_copy(update=update), names


def _spelt(names: Names, axis: str, given: str | list[str], where: str) -> list[str]:
    try:
        return [names.spelt(kind_of(axis), name) for name in as_list(given)]
    except BenchbenchError as error:
        raise BenchbenchError(f"{where}.{axis}: {error}") from None


def _where(names: Names, axis: str, given: str | list[str], known: list[str]) -> list[str]:
    """Which values of an axis a search names. It may be of another matrix, so they need not be on this one's."""
    if axis == "regime":
        return as_list(given)
    return [v for n in as_list(given) for v in names.meant(axis, n, known) or [names.spelt(kind_of(axis), n)]]


def _known(matrix: Matrix, names: Names, axis: str) -> list[str]:
    """What a rule may name on an axis: its values and those that rules, floors or the file without ``--set`` add."""
    found = dict.fromkeys(getattr(matrix.axes, axis))
    for rule in matrix.added(floors=True):
        found |= dict.fromkeys(as_list(rule.get(axis, [])))
    for name in matrix.written.get(axis, []):
        # What --set replaced need not exist.
        with suppress(BenchbenchError):
            found[name if axis == "regime" else names.spelt(kind_of(axis), name)] = None
    return list(found)


def _settings(names: Names, tables: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Tables of settings by kind and spelt name; two spellings of one name share a table."""
    found: dict[str, Any] = {}
    for kind, named in tables.items():
        for name, settings in named.items():
            try:
                table = found.setdefault(kind, {}).setdefault(names.spelt(kind, name), {})
            except BenchbenchError as error:
                raise BenchbenchError(f"{where}.{kind}: {error}") from None
            table |= settings
    return found
