"""The axes of a matrix, and rules about points on them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from benchbench.components.registry import offers

AXES = ("pretext", "meta", "backbone", "source", "target", "protocol", "regime")
KINDS = ("pretext", "meta", "backbone", "dataset", "protocol")
#: Kinds of component whose settings may be searched; the others define what is measured.
TUNABLE = ("pretext", "meta", "backbone")
#: The axes that tell one method on one source from another.
METHOD_AXES = ("pretext", "meta", "backbone", "source", "regime")
#: A baseline of every leaderboard (matrix key ``floors``): an encoder that was never trained. Beside it stand the raw
#: inputs of each modality.
UNTRAINED = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint"}

#: A name on each axis.
Point = dict[str, str]


@cache
def raw_floors() -> Mapping[str, tuple[Mapping[str, str], ...]]:
    """The rules for raw inputs, by the modality whose samples they are for."""
    # It imports torch, and those who only read records need none.
    from benchbench.data.modality import modality_named

    names = [offer.name for offer in offers("modality")]
    return {name: tuple({**UNTRAINED, **rule} for rule in modality_named(name).floors) for name in names}


def matches(rule: Mapping[str, Any], point: Mapping[str, str]) -> bool:
    """Whether a point satisfies all axes of a rule, each given as a name or a list of names."""
    return all(point.get(axis) in as_list(names) for axis, names in rule.items())


def applies(rule: Mapping[str, Any], point: Mapping[str, str]) -> bool:
    """Whether a point satisfies all axes of a ``[[when]]`` rule."""
    return matches({axis: names for axis, names in rule.items() if axis in AXES}, point)


def as_list(names: str | list[str]) -> list[str]:
    """The names that a rule gives for an axis."""
    return names if isinstance(names, list) else [names]


def label(point: Mapping[str, str]) -> str:
    """A method's name in messages."""
    return f"{point['pretext']} × {point['meta']} ({point['backbone']}, {point['source']}, {point['regime']})"
