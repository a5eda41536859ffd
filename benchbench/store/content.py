"""The fields of a record's `content`, listed once for all code that writes, reads, verifies or groups records."""

from typing import Any, Literal, NamedTuple

import msgspec

#: What a field belongs to: the ``method`` (which a leaderboard row stands for), one ``seed`` or one ``cell``; or it is
#: ``found``, by planning where there is something to say, or by scoring; or it says which ``harness`` made all that.
Scope = Literal["method", "seed", "cell", "found", "harness"]


class Component(msgspec.Struct):
    """A component, as far as every reader relies on it; `kind` where its place does not tell it."""

    name: str = ""
    revision: int = 1
    settings: dict[str, Any] = {}
    kind: str = ""


class _Ways(msgspec.Struct, frozen=True):
    ways: int | None = None
    shots: int | None = None


class _Protocol(msgspec.Struct):
    name: str = ""
    settings: _Ways = _Ways()


class _Recipe(msgspec.Struct):
    budget: dict[str, Any] = {}
    episodes: dict[str, Any] = {}
    training: dict[str, Any] = {}


class Search(msgspec.Struct, frozen=True):
    """A search behind some settings: its number of trials, its criterion and the method that was searched."""

    trials: int = 0
    criterion: str = ""
    method: str = ""


class Overlap(msgspec.Struct):
    """What the source's training part and the target's test part share: class names and a number of images."""

    classes: tuple[str, ...] = ()
    images: int = 0


class Field(NamedTuple):
    """A field of a record's content, the kind of component it holds, if any, and its shape: the least that a line must
    hold to be a record, so that tables need not ask. `benchbench.results.consistency` asks for more."""

    scope: Scope
    kind: str | None = None
    shape: Any = Any


#: A floor has `sample`, what its encoder was made for (`benchbench.planning.floors`), in place of the `source` that
#: others were trained on. `modality` is that of the target, and missing for images. `tokens` is how many tokens the
#: samples of a training held, by the mean of its source's. `trained_as` has
#: settings of the learner that stage keys hash in place of its own, which bear on scores alone. `names` are the
#: matrix's own names by axis: they say what to call a component, never what it is, so no key or row depends on them.
FIELDS: dict[str, Field] = {
    "pretext": Field("method", "pretext", Component),
    "learner": Field("method", "meta", Component),
    "backbone": Field("method", "backbone", Component),
    "source": Field("method", "dataset", Component),
    "sample": Field("method", shape=list[int] | dict[str, Any]),
    "recipe": Field("method", shape=_Recipe),
    "tuned": Field("method", shape=tuple[Search, ...]),
    "seed": Field("seed"),
    "stages": Field("seed", shape=list[str]),
    "target": Field("cell", "dataset", Component),
    "protocol": Field("cell", "protocol", _Protocol),
    "source_pixels": Field("found"),
    "modality": Field("found", shape=str),
    "tokens": Field("found", shape=int),
    "training_ways": Field("found", shape=list[int | None]),
    "training_meta_batch": Field("found", shape=list[int | None]),
    "norm": Field("found"),
    "adaptation_steps": Field("found"),
    "pretrained_on": Field("found"),
    "pretrained_labels": Field("found", shape=bool),
    "trained_as": Field("found", shape=dict[str, Any]),
    "harness": Field("harness", shape=dict[str, int]),
    "overlap": Field("found", shape=Overlap),
    "names": Field("found", shape=dict[str, str]),
}
#: Field -> kind of the component in it.
COMPONENTS: dict[str, str] = {name: field.kind for name, field in FIELDS.items() if field.kind}
#: Fields that a training may lack: those that are found, and what the first harness did not write down.
LATER = frozenset(name for name, field in FIELDS.items() if field.scope in ("found", "harness"))
#: Fields that follow from the rest, or say nothing of what was asked for.
DERIVED = frozenset({"stages", *LATER})
#: Fields that do not distinguish methods.
NOT_OF_METHOD = frozenset(name for name, field in FIELDS.items() if field.scope != "method")


def shape_fault(name: str, value: Any) -> str:
    """Why a field of a content may not hold a value; empty if it may. What has the keys of a component, at any depth,
    must be one."""
    field = FIELDS.get(name)
    try:
        msgspec.convert(value, field.shape if field else Any)
        todo = [value]
        while todo:
            held = todo.pop()
            if isinstance(held, dict):
                if {"name", "revision", "settings"} <= held.keys():
                    msgspec.convert(held, Component)
                todo += held.values()
            elif isinstance(held, list):
                todo += held
    except msgspec.ValidationError as error:
        return f"content.{name}: {str(error)[0].lower()}{str(error)[1:]}"
    return ""
