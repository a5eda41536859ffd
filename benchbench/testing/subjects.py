"""What is under test: a component of one kind with its settings, and the samples it is tried on."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchbench.components.component import Component
from benchbench.components.reference import ComponentRef, nested
from benchbench.components.registry import GROUPS, Offer, offers
from benchbench.components.settings import build_settings, construct, schema, validate
from benchbench.data.dataset import Dataset
from benchbench.data.modality import ANY, Modality, modality_named
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.evaluation.protocol import Protocol
from benchbench.rng import Rng, seeded_globals
from benchbench.training.learner import MetaLearner
from benchbench.training.pretext import Pretext

#: The contract of each kind that can be checked.
CONTRACTS: dict[str, type[Component]] = {
    "pretext": Pretext,
    "meta": MetaLearner,
    "backbone": Backbone,
    "dataset": Dataset,
    "protocol": Protocol,
    "modality": Modality,
}
#: What a component is tried on that does not say what it takes.
IMAGES = modality_named("image").specimens()
#: Shapes tried for a modality unknown to the suite.
OTHERS = ((12,), (3, 16))


class Fault(Exception):
    """A component breaks its contract; the message says how, and what to change."""


class NotApplicable(Exception):
    """A check does not apply to this component; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A component under test. `samples` replaces the shapes that it is tried on, if its kind takes samples."""

    kind: str
    name: str
    cls: type[Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[SampleSpec] = ()
    #: What some checks found and others need too: the first shape that the component takes.
    found: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, component: str | type[Any], settings: Mapping[str, Any], samples: Sequence[SampleSpec]) -> "Subject":
        """From a class, or the name that an installed distribution gives it. Raises BenchbenchError if the class is not
        a component, or if the name is unknown or shared by several kinds or distributions."""
        if isinstance(component, str):
            return cls.installed(one_offer(component), settings, samples)
        for kind, base in CONTRACTS.items():
            if inspect.isclass(component) and issubclass(component, base):
                return cls(kind, component.__name__, component, settings, samples)
        expected = ", ".join(base.__name__ for base in CONTRACTS.values())
        raise BenchbenchError(f"conformance: {component!r} is no component: expected a subclass of one of {expected}")

    @classmethod
    def installed(cls, offer: Offer, settings: Mapping[str, Any], samples: Sequence[SampleSpec] = ()) -> "Subject":
        """What a distribution offers. Raises BrokenPlugin if it cannot be imported."""
        return cls(offer.kind, offer.name, offer.load(), settings, samples)

    @property
    def label(self) -> str:
        """``kind name``, with which messages begin."""
        return f"{self.kind} {self.name}"

    @property
    def fields(self) -> dict[str, Any]:
        """Name of each setting -> its pydantic field."""
        cls: Any = self.cls
        return schema(cls).model_fields

    def build(self, *arguments: Any, seed: int = 0) -> Any:
        """Construct it as a training does: with validated settings and torch's global generator seeded."""
        values = validate(self.label, self.cls, self.settings)
        with seeded_globals(Rng("conformance", "build", seed)):
            return construct(self.cls, *arguments, settings=values.model_dump(mode="json"))

    def named(self, kind: str) -> list[type[Any]]:
        """The classes of a kind that its settings name, and those that theirs name in turn."""
        values = validate(self.label, self.cls, self.settings).model_dump(mode="json")
        held = [v for given in build_settings(self.cls, values).values() for v in _listed(given)]
        refs = [part for ref in held if isinstance(ref, ComponentRef) for part in (ref, *nested(ref))]
        return [ref.load() for ref in refs if ref.kind == kind]

    def shapes(self) -> list[SampleSpec]:
        """The samples to try: specimens of each modality that it takes, images first; of one that takes every modality,
        images and one specimen of each other."""
        if self.samples:
            return list(self.samples)
        modalities: frozenset[str] = getattr(self.cls, "modalities", frozenset({"image"}))
        if ANY in modalities:
            others = (offer.name for offer in offers("modality") if offer.name != "image")
            return [*IMAGES, *(modality_named(name).specimens()[0] for name in others)]
        installed = {offer.name for offer in offers("modality")}
        return [
            sample
            for name in sorted(modalities, key=lambda name: (name != "image", name))
            for sample in (
                modality_named(name).specimens() if name in installed else (SampleSpec(name, s) for s in OTHERS)
            )
        ]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def one_offer(name: str) -> Offer:
    """The one component called `name`, whatever its kind."""
    found = [o for kind in CONTRACTS for o in offers(kind) if name in (o.name, o.qualified)]
    if not found:
        from benchbench.errors import suggest

        raise BenchbenchError(
            f"unknown component {name!r}{suggest(name, {o.name for kind in GROUPS for o in offers(kind)})}"
        )
    if len(found) > 1:
        several = " and ".join(f"{o.kind} {o.qualified}" for o in found)
        raise BenchbenchError(f"component {name!r} is {several}: name the class instead")
    return found[0]
