"""Settings of a component: the keyword-only arguments of its ``__init__``, validated from their annotations.

A constructor that takes ``**settings`` passes them to its parent, whose settings it then has too. Bounds are pydantic's
(``Annotated[int, Field(ge=1)]``); a setting that names another component is annotated with `component_ref`.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from benchbench.errors import BenchbenchError, suggest


class ComponentRef(BaseModel):
    """A setting that names a component: resolved and validated by the core, so that it enters the key."""

    model_config = ConfigDict(frozen=True)
    kind: str
    name: str
    revision: int
    settings: dict[str, Any]

    def build(self, *args: Any) -> Any:
        """Construct the component: `args` are the constructor's positional arguments."""
        return construct(self.load(), *args, settings=self.settings)

    def load(self) -> Any:
        """The component's class."""
        from benchbench.registry import find

        return find(self.kind, self.name).load()


def component_ref(kind: str) -> Any:
    """The annotation of a setting that names a component of `kind`; in a matrix it is written ``"name"`` or
    ``{name = "...", <setting> = ...}``."""

    def resolve(value: object) -> object:
        from benchbench.registry import resolve_component

        if isinstance(value, str):
            return resolve_component(kind, value)
        if isinstance(value, Mapping) and "name" in value and "kind" not in value:
            return resolve_component(kind, str(value["name"]), {k: v for k, v in value.items() if k != "name"})
        return value

    return Annotated[ComponentRef, BeforeValidator(resolve)]


def _parameters(cls: type) -> dict[str, tuple[Any, Any]]:
    """Name -> (annotation, default) of the keyword-only arguments, a parent's too where ``**kwargs`` passes them on."""
    found: dict[str, tuple[Any, Any]] = {}
    for owner in cls.__mro__:
        init = owner.__dict__.get("__init__")
        if init is None:
            continue
        hints = get_type_hints(init, include_extras=True)
        signature = inspect.signature(init).parameters.values()
        for p in signature:
            if p.kind is p.KEYWORD_ONLY and p.name not in found:
                found[p.name] = (hints.get(p.name, Any), ... if p.default is p.empty else p.default)
        if not any(p.kind is p.VAR_KEYWORD for p in signature):
            break
    return found


@cache
def schema(cls: type) -> type[BaseModel]:
    """The pydantic model of a component's settings."""
    fields: dict[str, Any] = _parameters(cls)
    config = ConfigDict(extra="forbid", strict=True, validate_default=True, arbitrary_types_allowed=True)
    return create_model(f"{cls.__name__}Settings", __config__=config, **fields)


def _explain(where: str, error: ValidationError, names: list[str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown setting {name!r}{suggest(name, names) or '; it has no settings'}"
    if first["type"] == "missing":
        return f"{where}: setting {name!r} must be given"
    got = first["input"]
    return f"{where}: setting {name!r}: {first['msg'][0].lower()}{first['msg'][1:]}, got {got!r}"


def validate(where: str, cls: type, given: Mapping[str, Any]) -> BaseModel:
    """The validated settings of `cls`, defaults filled in. Raises BenchbenchError that begins with `where`."""
    model = schema(cls)
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise BenchbenchError(_explain(where, error, list(model.model_fields))) from None


def resolve_settings(where: str, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of `cls` as plain JSON values: what stands in keys and records."""
    return validate(where, cls, given).model_dump(mode="json")


def build_settings(cls: type, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments from `resolve_settings`' output: nested component references become objects again."""
    model = schema(cls).model_validate(dict(resolved))
    return {name: getattr(model, name) for name in type(model).model_fields}


def nested(ref: ComponentRef) -> list[ComponentRef]:
    """The components that a component's settings name, theirs too."""
    found: list[ComponentRef] = []
    for value in build_settings(ref.load(), ref.settings).values():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, ComponentRef):
                found += [item, *nested(item)]
    return found


def construct(cls: type, *args: Any, settings: Mapping[str, Any]) -> Any:
    """``cls(*args, **settings)`` with validated settings."""
    return cls(*args, **build_settings(cls, settings))
