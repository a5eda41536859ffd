"""A training as a chain of stages: what is optimised, on what, from where. Pure content, no computation."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchbench.keys import content_key
from benchbench.records import Method
from benchbench.registry import key_content
from benchbench.settings import ComponentRef, nested

#: Raised when the core's own training changes results: it enters every key.
ENGINE_REVISION = 1

Objective = Literal["plain", "meta", "auxiliary", "task"]
Regime = Literal["joint", "pseudo", "pipeline", "auxiliary", "meta-pretext", "meta-pretext-labels"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
#: Those that learn from labelled episodes besides the pretext.
LABELLED_REGIMES: tuple[Regime, ...] = ("pipeline", "auxiliary", "meta-pretext-labels")


@dataclass(frozen=True, slots=True)
class Stage:
    """One optimisation: trained once, checkpointed once, shared by every training that begins with it.

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
    key: str

    @property
    def components(self) -> list[ComponentRef]:
        """Every component that it trains with, those that settings name too."""
        own = [ref for ref in (self.pretext, self.meta, self.helper) if ref is not None]
        return [*own, *(part for ref in own for part in nested(ref))]


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

    `recipe` holds budget, episode shape and optimiser settings (`benchbench.matrix`); `content` all of what its key
    hashes, in clear.
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
    regime: Regime,
    pretext: ComponentRef,
    meta: ComponentRef,
    labels: ComponentRef | None,
    base: dict[str, Any],
) -> tuple[Stage, ...]:
    """The stages of a regime. `base` is what all stages share: backbone, source, seed, recipe.

    `LABELLED_REGIMES` learn from labelled episodes of `labels`. Where there are two stages they halve the budget.
    """
    plan: list[tuple[Objective, ComponentRef, ComponentRef | None, ComponentRef | None, float]]
    before = embedding(pretext)
    if regime == "joint":
        plan = [("plain", pretext, None, None, 1.0)]
    elif regime == "pseudo" and before:
        plan = [("plain", before, None, None, 0.5), ("meta", pretext, meta, None, 0.5)]
    elif regime == "pseudo":
        plan = [("meta", pretext, meta, None, 1.0)]
    elif regime == "meta-pretext":
        plan = [("task", pretext, meta, None, 1.0)]
    else:
        assert labels is not None
        if regime == "pipeline":
            plan = [("plain", pretext, None, None, 0.5), ("meta", labels, meta, None, 0.5)]
        else:
            plan = [("auxiliary" if regime == "auxiliary" else "task", labels, meta, pretext, 1.0)]
    stages: list[Stage] = []
    for objective, source, learner, helper, share in plan:
        content = {
            **base,
            "recipe": _relevant(base["recipe"], objective),
            "engine": ENGINE_REVISION,
            "objective": objective,
            "pretext": key_content(source),
            "meta": learner and key_content(learner),
            "helper": helper and key_content(helper),
            "share": share,
            "parent": stages[-1].key if stages else None,
        }
        stages.append(Stage(objective, source, learner, helper, share, content_key(content)))
    return tuple(stages)


def embedding(pretext: ComponentRef) -> ComponentRef | None:
    """The pretext that a setting called `embedding` names: trained first, so that its encoder embeds (CACTUs)."""
    named = pretext.settings.get("embedding")
    return type(pretext)(**named) if isinstance(named, dict) else None


def _relevant(recipe: dict[str, Any], objective: Objective) -> dict[str, Any]:
    """What of a recipe shapes a stage: a plain one is shared by trainings whose episodes differ."""
    training = dict(recipe["training"])
    if objective != "auxiliary":
        del training["auxiliary_weight"]
    if objective in ("meta", "task"):
        del training["batch_size"]
    rest = {k: v for k, v in recipe.items() if k != "episodes" or objective != "plain"}
    return {**rest, "training": training}


def uses_labels(ref: ComponentRef | None) -> bool:
    """Whether a pretext, or one that its settings name, reads true labels."""
    return ref is not None and any(part.load().uses_labels for part in [ref, *nested(ref)] if part.kind == "pretext")
