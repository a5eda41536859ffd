"""A training as a chain of stages: what is optimised, on what, from where. Pure content, no computation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from benchbench.components.reference import ComponentRef, nested
from benchbench.store.records import Method

Objective = Literal["plain", "meta", "auxiliary", "task"]
Regime = Literal["joint", "pseudo", "pipeline", "auxiliary", "meta-pretext", "meta-pretext-labels"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
#: Regimes that learn from labelled episodes as well as the pretext.
LABELLED_REGIMES: tuple[Regime, ...] = ("pipeline", "auxiliary", "meta-pretext-labels")


@dataclass(frozen=True, slots=True)
class Link:
    """One optimisation in a chain.

    ``plain`` minimises the pretext's objective; ``meta`` trains `meta` on the pretext's episodes; ``auxiliary`` adds
    the plain objective of `helper` to that. ``task`` uses `meta` to adapt to the pretext's task loss and minimises the
    same loss on other samples; with a `helper`, it adapts to the helper's task loss and minimises the loss on the
    pretext's episodes. `share` is its share of the training's budget.
    """

    objective: Objective
    pretext: ComponentRef
    meta: ComponentRef | None
    helper: ComponentRef | None
    share: float

    @property
    def components(self) -> list[ComponentRef]:
        """Every component it trains with, including those that settings name."""
        own = [ref for ref in (self.pretext, self.meta, self.helper) if ref is not None]
        return [*own, *(part for ref in own for part in nested(ref))]


@dataclass(frozen=True, slots=True)
class Stage(Link):
    """A link with its key: trained once, checkpointed once, shared by every training that begins with it."""

    key: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One target and protocol that a training is scored on. `names`: axis -> what the matrix calls it."""

    key: str
    target: ComponentRef
    protocol: str
    component: ComponentRef
    names: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.names.get('target', self.target.bare)} {self.names.get('protocol', self.protocol)}"


@dataclass(frozen=True, slots=True)
class Training:
    """A chain of stages for one backbone and seed, the learner that adapts after it, and the cells it is scored on.

    `recipe` holds budget, episode shape and optimiser settings (`benchbench.planning.recipe`); `content` holds
    everything its key hashes, in plain form. `names` holds the matrix's own names by axis, which no key hashes.
    """

    key: str
    matrix: str
    method: Method
    source_name: str
    seed: int
    backbone: ComponentRef
    learner: ComponentRef
    source: ComponentRef
    stages: tuple[Stage, ...]
    recipe: dict[str, Any]
    content: dict[str, Any]
    cells: tuple[Cell, ...]
    floor: bool
    names: dict[str, str] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, str]:
        """Its place on the axes of its matrix."""
        return axes_of(self.method, self.source_name, self.names)

    @property
    def label(self) -> str:
        """Its name in progress and messages."""
        pretext, meta, backbone, source, regime = self.axes.values()
        shown = "" if regime in ("joint", "pseudo") else f", {regime}"
        return f"{pretext} × {meta} ({backbone}, {source}, seed {self.seed}{shown})"


def axes_of(method: Method, source: str, names: Mapping[str, str]) -> dict[str, str]:
    """What a matrix calls a method and its source, by axis."""
    held = {"pretext": method.pretext, "meta": method.meta, "backbone": method.backbone, "source": source}
    return {**{axis: names.get(axis, name) for axis, name in held.items()}, "regime": method.regime}


def chain(
    regime: Regime, pretext: ComponentRef, meta: ComponentRef, labels: ComponentRef | None = None
) -> tuple[Link, ...]:
    """The links of a regime. `LABELLED_REGIMES` take labelled episodes from `labels`. Two links each get half the
    budget."""
    before = embedding(pretext)
    if regime == "joint":
        return (Link("plain", pretext, None, None, 1.0),)
    if regime == "pseudo" and before:
        return Link("plain", before, None, None, 0.5), Link("meta", pretext, meta, None, 0.5)
    if regime == "pseudo":
        return (Link("meta", pretext, meta, None, 1.0),)
    if regime == "meta-pretext":
        return (Link("task", pretext, meta, None, 1.0),)
    assert labels is not None
    if regime == "pipeline":
        return Link("plain", pretext, None, None, 0.5), Link("meta", labels, meta, None, 0.5)
    return (Link("auxiliary" if regime == "auxiliary" else "task", labels, meta, pretext, 1.0),)


def embedding(pretext: ComponentRef) -> ComponentRef | None:
    """The pretext named by a setting called `embedding`: trained first, so that its encoder embeds (CACTUs)."""
    named = pretext.settings.get("embedding")
    return type(pretext)(**named) if isinstance(named, dict) else None


def uses_labels(ref: ComponentRef | None) -> bool:
    """Whether a pretext, or any that its settings name, reads true labels."""
    return ref is not None and any(part.load().uses_labels for part in [ref, *nested(ref)] if part.kind == "pretext")
