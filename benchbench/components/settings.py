"""Settings of a component: the keyword-only arguments of its ``__init__``, validated from their annotations.

A constructor that takes ``**settings`` passes them to its parent and so has the parent's settings too. Bounds are
pydantic's (``Annotated[int, Field(ge=1)]``); a setting that names another component is annotated with
`benchbench.component_ref`.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from benchbench.components.limits import check_values, quoted
from benchbench.errors import BenchbenchError, suggest


def _parameters(cls: type) -> dict[str, tuple[Any, Any]]:
    """Name -> (annotation, default) of the keyword-only arguments, and a parent's if ``**kwargs`` passes them on."""
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
    return f"{where}: setting {name!r}: {first['msg'][0].lower()}{first['msg'][1:]}, got {quoted(first['input'])}"


def validate(where: str, cls: type, given: Mapping[str, Any]) -> BaseModel:
    """The validated settings of `cls`, defaults filled in. Raises a BenchbenchError that begins with `where`, also for
    a value outside the limits of all settings (`benchbench.components.limits`)."""
    check_values(where, given)
    model = schema(cls)
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise BenchbenchError(_explain(where, error, list(model.model_fields))) from None


def resolve_settings(where: str, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of `cls` as plain JSON values, as keys and records hold them."""
    return validate(where, cls, given).model_dump(mode="json")


def build_settings(cls: type, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments from `resolve_settings`' output: nested component references become objects again."""
    model = schema(cls).model_validate(dict(resolved))
    return {name: getattr(model, name) for name in type(model).model_fields}


def construct(cls: type, *args: Any, settings: Mapping[str, Any]) -> Any:
    """``cls(*args, **settings)`` with validated settings."""
    return cls(*args, **build_settings(cls, settings))
