"""Entry points -> components. Nothing is imported until it is used, and a broken plugin breaks only itself.

``BENCHBENCH_PLUGINS`` chooses the distributions that may load: see `benchbench.installed`.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.installed import VARIABLE, entry_points, left_out
from benchbench.settings import ComponentRef, resolve_settings

GROUPS = {
    "pretext": "benchbench.pretexts",
    "meta": "benchbench.metas",
    "backbone": "benchbench.backbones",
    "dataset": "benchbench.datasets",
    "protocol": "benchbench.protocols",
    "executor": "benchbench.executors",
}
NAME = re.compile(r"[a-z][a-z0-9+-]*")


@dataclass(frozen=True)
class Offer:
    """A component that an installed distribution offers; its code is imported by `load` alone."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint = field(repr=False, compare=False)

    @property
    def qualified(self) -> str:
        """``distribution:name``, as keys and records hold it."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> type:
        """Import the component's class. Raises BrokenPlugin with the reason."""
        try:
            loaded = self.entry_point.load()
        except Exception as error:
            raise BrokenPlugin(
                f"plugin {self.distribution} {self.version}: {self.kind} {self.name!r} cannot be imported from "
                f"{self.entry_point.value}: {type(error).__name__}: {error}"
            ) from error
        base = _contract(self.kind)
        if not (inspect.isclass(loaded) and issubclass(loaded, base)):
            raise BrokenPlugin(
                f"plugin {self.distribution} {self.version}: {self.entry_point.value} is no {self.kind}: "
                f"expected a subclass of benchbench.{base.__name__}"
            )
        return loaded


def _contract(kind: str) -> type:
    from benchbench import components

    names = {"pretext": "Pretext", "meta": "MetaLearner"}
    return getattr(components, names.get(kind, kind.capitalize()))


@cache
def offers(kind: str) -> tuple[Offer, ...]:
    """Every component of `kind` that is installed, by name; names that break the rules are left out by `misnamed`."""
    found = {
        (e.name, e.dist.name if e.dist else "?"): Offer(
            kind, e.name, e.dist.name if e.dist else "?", e.dist.version if e.dist else "?", e
        )
        for e in entry_points(GROUPS[kind])
    }
    return tuple(found[key] for key in sorted(found) if NAME.fullmatch(key[0]))


def misnamed(kind: str) -> list[str]:
    """One message for each entry point whose name does not match the rule for names."""
    return [
        f"plugin {e.dist.name if e.dist else '?'}: {kind} name {e.name!r} must match {NAME.pattern}"
        for e in entry_points(GROUPS[kind])
        if not NAME.fullmatch(e.name)
    ]


def find(kind: str, name: str) -> Offer:
    """The component called `name`, bare or ``distribution:name``.

    Raises BenchbenchError for an unknown name (with the nearest), for one whose plugin may not load, and for a bare
    name that two distributions offer.
    """
    matching = [o for o in offers(kind) if name in (o.name, o.qualified)]
    if not matching and (owners := left_out(GROUPS[kind], name)):
        raise BenchbenchError(f"{kind} {name!r} is offered by {' and '.join(owners)}, which {VARIABLE} leaves out")
    if not matching:
        options = {o.qualified if ":" in name else o.name for o in offers(kind)}
        raise BenchbenchError(f"unknown {kind} {name!r}{suggest(name, options)}")
    if len(matching) > 1:
        choices = " or ".join(repr(o.qualified) for o in matching)
        raise BenchbenchError(f"{kind} {name!r} is offered by {len(matching)} plugins: write {choices}")
    return matching[0]


def resolve_component(kind: str, name: str, settings: Mapping[str, Any] | None = None) -> ComponentRef:
    """`name` with its qualified name, revision and all settings. Imports the component."""
    offer = find(kind, name)
    cls = offer.load()
    resolved = resolve_settings(f"{kind} {name}", cls, settings or {})
    return ComponentRef(kind=kind, name=offer.qualified, revision=getattr(cls, "revision", 1), settings=resolved)


def key_content(ref: ComponentRef) -> dict[str, Any]:
    """What of a component enters a key, and of the components that its settings name. Left out are a setting equal to
    its declared neutral value, so that adding one later keeps old keys, and one that only locates files."""
    cls = ref.load()
    neutral, locators = getattr(cls, "neutral", {}), getattr(cls, "locators", ())
    settings = {
        k: _nested_content(v)
        for k, v in ref.settings.items()
        if k not in locators and not (k in neutral and neutral[k] == v)
    }
    return {"name": ref.name, "revision": ref.revision, "settings": settings}


def _nested_content(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested_content(v) for v in value]
    if isinstance(value, dict) and set(value) == set(ComponentRef.model_fields):
        return {"kind": value["kind"], **key_content(ComponentRef(**value))}
    return value
