"""A component by name, with its settings: what plans, keys and records hold, and what builds it."""

import inspect
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from benchbench.components.registry import find
from benchbench.components.settings import build_settings, construct, resolve_settings
from benchbench.userfiles import portable


def bare(name: str) -> str:
    """The ``name`` in ``distribution:name``; a bare name is returned as it is."""
    return name.rpartition(":")[2]


class ComponentRef(BaseModel):
    """A setting that names a component: resolved and validated by the core, so that it enters the key."""

    model_config = ConfigDict(frozen=True)
    kind: str
    name: str
    revision: int
    settings: dict[str, Any]

    @property
    def bare(self) -> str:
        """Its name without its distribution, as tables show it."""
        return bare(self.name)

    def without(self, settings: Collection[str]) -> "ComponentRef":
        """The same component with the defaults of these settings."""
        return self.model_copy(update={"settings": {k: v for k, v in self.settings.items() if k not in settings}})

    def build(self, *args: Any) -> Any:
        """Construct the component: `args` are the constructor's positional arguments."""
        return construct(self.load(), *args, settings=self.settings)

    def load(self) -> Any:
        """The component's class."""
        return find(self.kind, self.name).load()


def component_ref(kind: str) -> Any:
    """The annotation for a setting that names a component of `kind`; a matrix writes it as ``"name"`` or
    ``{name = "...", <setting> = ...}``."""

    def resolve(value: object) -> object:
        if isinstance(value, str):
            return resolve_component(kind, value)
        if isinstance(value, Mapping) and "name" in value and "kind" not in value:
            return resolve_component(kind, str(value["name"]), {k: v for k, v in value.items() if k != "name"})
        return value

    return Annotated[ComponentRef, BeforeValidator(resolve)]


def resolve_component(kind: str, name: str, settings: Mapping[str, Any] | None = None) -> ComponentRef:
    """The reference to `name`, with qualified name, revision and all settings. Imports the component."""
    offer = find(kind, name)
    cls = offer.load()
    resolved = resolve_settings(f"{kind} {name}", cls, settings or {})
    return ComponentRef(kind=kind, name=offer.qualified, revision=getattr(cls, "revision", 1), settings=resolved)


def key_content(ref: ComponentRef) -> dict[str, Any]:
    """What enters a key of a component and of the components that its settings name. Settings equal to their declared
    neutral value are left out, so that adding one later keeps old keys; so are settings that only locate files."""
    locators = getattr(ref.load(), "locators", ())
    settings = {k: _nested_content(v) for k, v in _without_neutral(ref).items() if k not in locators}
    return {"name": ref.name, "revision": ref.revision, "settings": settings}


def _without_neutral(ref: ComponentRef) -> dict[str, Any]:
    """The settings of a component without those that have their neutral value."""
    neutral = getattr(ref.load(), "neutral", {})
    return {k: v for k, v in ref.settings.items() if not (k in neutral and neutral[k] == v)}


def _nested_content(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested_content(v) for v in value]
    if isinstance(value, dict) and set(value) == set(ComponentRef.model_fields):
        return {"kind": value["kind"], **key_content(ComponentRef(**value))}
    return value


def recorded_settings(ref: ComponentRef) -> dict[str, Any]:
    """The settings of a component as records hold them, those of the components that they name too: without those that
    have their neutral value, so that records of before they were added stand in the same column; paths of this machine
    tell nothing elsewhere, and are left out but for what is portable (`benchbench.userfiles.portable`)."""
    locators = getattr(ref.load(), "locators", ())
    return {k: _portable(v) if k in locators else _recorded(v) for k, v in _without_neutral(ref).items()}


def _portable(value: Any) -> Any:
    return portable(value) if isinstance(value, str) else value


def _recorded(value: Any) -> Any:
    if isinstance(value, list):
        return [_recorded(v) for v in value]
    if isinstance(value, dict) and set(value) == set(ComponentRef.model_fields):
        return {**value, "settings": recorded_settings(ComponentRef(**value))}
    return value


def unlocated(kind: str, settings: Mapping[str, Any], name: str) -> list[str]:
    """The paths that a component's recorded settings lack, as ``name: setting``, those of the components that they name
    too: keys hold no paths, and a record of a source holds what its key does."""
    cls = find(kind, name).load()
    needed = [n for n, p in inspect.signature(cls).parameters.items() if p.default is p.empty]
    found = [f"{bare(name)}: {n}" for n in needed if n in getattr(cls, "locators", ()) and n not in settings]
    for value in settings.values():
        for held in value if isinstance(value, list) else [value]:
            if isinstance(held, dict) and {"kind", "name", "settings"} <= held.keys():
                found += unlocated(held["kind"], held["settings"], held["name"])
    return found


def nested(ref: ComponentRef) -> list[ComponentRef]:
    """The components that a component's settings name, and those that theirs name in turn."""
    found: list[ComponentRef] = []
    for value in build_settings(ref.load(), ref.settings).values():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, ComponentRef):
                found += [item, *nested(item)]
    return found
