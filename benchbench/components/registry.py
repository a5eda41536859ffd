"""Entry points -> components. Nothing is imported until it is used, and a broken plugin breaks only itself.

``BENCHBENCH_PLUGINS`` chooses the distributions that may load: see `benchbench.components.installed`.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint

from benchbench.components.component import Component
from benchbench.components.installed import VARIABLE, entry_points, left_out
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest

GROUPS = {
    "pretext": "benchbench.pretexts",
    "meta": "benchbench.metas",
    "backbone": "benchbench.backbones",
    "dataset": "benchbench.datasets",
    "protocol": "benchbench.protocols",
    "modality": "benchbench.modalities",
    "executor": "benchbench.executors",
}
#: The public name of each kind's contract, for messages: the class itself is in the folder that calls it.
CONTRACTS = {
    "pretext": "Pretext",
    "meta": "MetaLearner",
    "backbone": "Backbone",
    "dataset": "Dataset",
    "protocol": "Protocol",
    "modality": "Modality",
    "executor": "Executor",
}
NAME = re.compile(r"[a-z][a-z0-9+-]*")


@dataclass(frozen=True)
class Offer:
    """A component that an installed distribution offers; only `load` imports its code."""

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
        if not (inspect.isclass(loaded) and issubclass(loaded, Component) and loaded.kind == self.kind):
            raise BrokenPlugin(
                f"plugin {self.distribution} {self.version}: {self.entry_point.value} is no {self.kind}: "
                f"expected a subclass of benchbench.{CONTRACTS[self.kind]}"
            )
        return loaded


@cache
def offers(kind: str) -> tuple[Offer, ...]:
    """Every installed component of `kind`, by name. Names that break the rule are left out; `misnamed` reports them."""
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


def synonyms(kind: str) -> dict[str, list[Offer]]:
    """The components of `kind` by what else they are called: their names and synonyms in lower case, without hyphens
    and the like. Imports every component of the kind, so it is asked only for names that are none."""
    found: dict[str, list[Offer]] = {}
    for offer in offers(kind):
        for name in dict.fromkeys(map(_folded, (offer.name, *also_called(offer)))):
            found.setdefault(name, []).append(offer)
    return found


def also_called(offer: Offer) -> tuple[str, ...]:
    """What else a component is called. Imports it; a broken one is called nothing."""
    try:
        return tuple(getattr(offer.load(), "synonyms", ()))
    except BrokenPlugin:
        return ()


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _elsewhere(kind: str, name: str) -> list[str]:
    """The components of other kinds that go by a name."""
    others = (other for other in GROUPS if other != kind)
    return [f"{offer.kind} {offer.name!r}" for other in others for offer in synonyms(other).get(_folded(name), ())]


def shortest(offer: Offer) -> str:
    """The shortest name that means only this component: bare unless two distributions offer it."""
    return offer.name if sum(o.name == offer.name for o in offers(offer.kind)) == 1 else offer.qualified


def find(kind: str, name: str, others: Iterable[str] = ()) -> Offer:
    """The component called `name`: bare, ``distribution:name``, or a synonym of it.

    Raises BenchbenchError for an unknown name (with the nearest, of `others` too, or the other kind that it is of), for
    one whose plugin may not load, and for one that two distributions offer.
    """
    matching = [o for o in offers(kind) if name in (o.name, o.qualified)]
    if not matching and ":" not in name:
        matching = synonyms(kind).get(_folded(name), [])
    if not matching and (owners := left_out(GROUPS[kind], name)):
        raise BenchbenchError(f"{kind} {name!r} is offered by {' and '.join(owners)}, which {VARIABLE} leaves out")
    if not matching and (elsewhere := _elsewhere(kind, name)):
        raise BenchbenchError(f"unknown {kind} {name!r}; it is a name of {' and of '.join(elsewhere)}")
    if not matching:
        options = {o.qualified if ":" in name else o.name for o in offers(kind)} | {*others}
        # A slip in a synonym is answered with the component that it means.
        meant = get_close_matches(_folded(name), synonyms(kind), n=1)
        if meant and not get_close_matches(name, options, n=1):
            (offer, *_) = synonyms(kind)[meant[0]]
            raise BenchbenchError(f"unknown {kind} {name!r}; did you mean {offer.name!r} ({meant[0]})?")
        raise BenchbenchError(f"unknown {kind} {name!r}{suggest(name, options)}")
    if len(matching) > 1:
        choices = " or ".join(repr(o.qualified) for o in matching)
        raise BenchbenchError(f"{kind} {name!r} is offered by {len(matching)} plugins: write {choices}")
    return matching[0]
