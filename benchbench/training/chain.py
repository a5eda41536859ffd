"""A training as a chain of stages: what is optimised, on what, from where. Pure content, no computation."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchbench.components.reference import ComponentRef, nested
from benchbench.store.records import Method

Objective = Literal["plain", "meta", "auxiliary", "task"]
Regime = Literal["joint", "pseudo", "pipeline", "auxiliary", "meta-pretext", "meta-pretext-labels"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
#: Those that learn from labelled episodes besides the pretext.
LABELLED_REGIMES: tuple[Regime, ...] = ("pipeline", "auxiliary", "meta-pretext-labels")


@dataclass(frozen=True, slots=True)
class Link:
    """One optimisation of a chain.

    ``plain`` minimises the pretext's objective; ``meta`` trains `meta` on the pretext's episodes; ``auxiliary`` adds
    the plain objective of `helper` to that. ``task`` adapts by `meta` to the pretext's task loss and minimises the same
    loss of other samples; where there is a `helper`, it adapts to the helper's and minimises the loss of the pretext's
    episodes. `share` is its part of the training's budget.
    """

    objective: Objective
    pretext: ComponentRef
    meta: ComponentRef | None
    helper: ComponentRef | None
    share: float

    @property
    def components(self) -> list[ComponentRef]:
        """Every component that it trains with, those that settings name too."""
        own = [ref for ref in (self.pretext, self.meta, self.helper) if ref is not None]
        return [*own, *(part for ref in own for part in nested(ref))]


@dataclass(frozen=True, slots=True)
class Stage(Link):
    """A link under its key: trained once, checkpointed once, shared by every training that begins with it."""

    key: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One target and protocol that a training is scored on."""

    key: str
    target: ComponentRef
    protocol: str
    component: ComponentRef


@dataclass(frozen=True, slots=True)
class Training:
    """A chain of stages for one backbone and seed, the learner that adapts after it, and the cells it is scored on.

    `recipe` holds budget, episode shape and optimiser settings (`benchbench.planning.matrix`); `content` all of what
    its key hashes, in clear.
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

    @property
    def label(self) -> str:
        """As progress and messages name it."""
        regime = "" if self.method.regime in ("joint", "pseudo") else f", {self.method.regime}"
        return f"{self.method.label} ({self.method.backbone}, {self.source_name}, seed {self.seed}{regime})"


def chain(
    regime: Regime, pretext: ComponentRef, meta: ComponentRef, labels: ComponentRef | None = None
) -> tuple[Link, ...]:
    """The links of a regime. `LABELLED_REGIMES` have labelled episodes of `labels`. Two links halve the budget."""
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
    """The pretext that a setting called `embedding` names: trained first, so that its encoder embeds (CACTUs)."""
    named = pretext.settings.get("embedding")
    return type(pretext)(**named) if isinstance(named, dict) else None


def uses_labels(ref: ComponentRef | None) -> bool:
    """Whether a pretext, or one that its settings name, reads true labels."""
    return ref is not None and any(part.load().uses_labels for part in [ref, *nested(ref)] if part.kind == "pretext")
