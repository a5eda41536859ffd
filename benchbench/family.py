"""Trainings that differ in their seed alone, and the cells of each: what keys hash."""

from dataclasses import dataclass
from typing import Any

from benchbench.keys import content_key
from benchbench.records import Method
from benchbench.settings import ComponentRef
from benchbench.stages import Cell, Stage, Training, chain


@dataclass(frozen=True)
class FamilyCell:
    """A cell of a family, and what its key hashes beside the training's key."""

    target: ComponentRef
    protocol: str
    component: ComponentRef
    content: dict[str, Any]

    def of(self, training_key: str) -> Cell:
        """The cell of one of the family's trainings."""
        key = content_key({"training": training_key, **self.content})
        return Cell(key, self.target, self.protocol, self.component)


@dataclass(frozen=True)
class Family:
    """Trainings that differ in their seed alone: everything else is resolved, checked and described once, since a
    matrix may ask for ten thousands of them. `contents` is what keys hash of the components."""

    matrix: str
    method: Method
    source_name: str
    pretext: ComponentRef
    meta: ComponentRef
    labels: ComponentRef | None
    backbone: ComponentRef
    source: ComponentRef
    recipe: dict[str, Any]
    trains: bool
    sample: list[int]
    contents: dict[str, dict[str, Any]]
    cells: list[FamilyCell]
    tuned: list[dict[str, Any]]

    def training(self, seed: int) -> Training:
        """The training of a seed, with its cells."""
        held = self.contents
        base = {"backbone": held["backbone"], "source": held["source"], "seed": seed, "recipe": self.recipe}
        stages: tuple[Stage, ...] = ()
        if self.trains:
            stages = chain(self.method.regime, self.pretext, self.meta, self.labels, base)  # type: ignore[arg-type]
        content = {
            **(base if self.trains else {"backbone": held["backbone"], "seed": seed, "sample": self.sample}),
            "learner": held["learner"],
            "stages": [s.key for s in stages],
            **({"tuned": self.tuned} if self.tuned else {}),
        }
        key = content_key(content)
        return Training(
            key=key,
            matrix=self.matrix,
            method=self.method,
            source_name=self.source_name,
            seed=seed,
            backbone=self.backbone,
            learner=self.meta,
            source=self.source,
            stages=stages,
            recipe=self.recipe,
            content={**content, "pretext": held["pretext"]},
            cells=tuple({c.key: c for c in (cell.of(key) for cell in self.cells)}.values()),
            floor=not self.trains,
        )
