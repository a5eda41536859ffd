"""One component, however a matrix spells it: bare or with its distribution. Imports no component."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchbench.components.registry import find
from benchbench.errors import BenchbenchError, suggest

#: The kind of component that stands on an axis; protocols have presets beside, and regimes are no components.
KIND_OF = {"pretext": "pretext", "meta": "meta", "backbone": "backbone", "source": "dataset", "target": "dataset",
           "protocol": "protocol"}  # fmt: skip


def meant(axis: str, name: str) -> str:
    """What a name on an axis stands for: equal for two spellings of one component. A name that is unknown stands for
    itself; planning says so."""
    try:
        return find(KIND_OF[axis], name).qualified if axis in KIND_OF else name
    except BenchbenchError:
        return name


def check_once(axes: Mapping[str, Iterable[str]], where: str) -> None:
    """Raise BenchbenchError if an axis has two spellings of one component."""
    for axis, names in axes.items():
        seen: dict[str, str] = {}
        for name in names:
            if (other := seen.setdefault(meant(axis, name), name)) != name:
                raise BenchbenchError(f"{where}: axes.{axis}: {other!r} and {name!r} are one component: name it once")


def respelt(rule: dict[str, Any], axes: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """A rule with each name as the axes spell it."""
    written = {axis: {meant(axis, name): name for name in names} for axis, names in axes.items()}
    found = dict(rule)
    for axis in written.keys() & rule.keys():
        found[axis] = [written[axis].get(meant(axis, name), name) for name in _listed(rule[axis])]
    return found


def check_named(rule: Mapping[str, Any], known: Mapping[str, set[str]], where: str) -> None:
    """Raise BenchbenchError for a name in a rule that is not among those `known` on its axis: it matches nothing."""
    for axis in known.keys() & rule.keys():
        allowed = {meant(axis, name) for name in known[axis]}
        for name in _listed(rule[axis]):
            if meant(axis, name) not in allowed:
                near = suggest(name, known[axis])
                raise BenchbenchError(f"{where}: no {axis} {name!r} on the axes of this matrix{near}")


def _listed(names: str | list[str]) -> list[str]:
    return names if isinstance(names, list) else [names]
