"""Trainings that differ only in their seed, and the cells of each."""

from dataclasses import dataclass
from typing import Any

from benchbench.components.reference import ComponentRef
from benchbench.keys import canonical
from benchbench.planning.identity import cell_key, keyed, trained_as, training_key
from benchbench.revisions import harness
from benchbench.store.records import Method
from benchbench.training.chain import Cell, Regime, Stage, Training, axes_of, chain


@dataclass(frozen=True)
class FamilyCell:
    """A cell of a family. Its key hashes `fingerprint`, for the target, and `content`, for the protocol."""

    target: ComponentRef
    protocol: str
    component: ComponentRef
    fingerprint: str
    content: dict[str, Any]
    names: dict[str, str]

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.names.get('target', self.target.bare)} {self.names.get('protocol', self.protocol)}"

    @property
    def same(self) -> str:
        """What its key hashes of it: cells of one training that agree in this are one."""
        return canonical([self.fingerprint, self.content])

    def of(self, training: str, content: dict[str, Any]) -> Cell:
        """The cell for one of the family's trainings, given that training's key and content."""
        key = cell_key(training, self.fingerprint, self.content, content)
        return Cell(key, self.target, self.protocol, self.component, self.names)


@dataclass(frozen=True)
class Family:
    """Trainings that differ only in their seed. Everything else is resolved, checked and described once, since a matrix
    may ask for tens of thousands of them. `contents` is what keys hash of each component, `names` the matrix's own
    names by axis."""

    matrix: str
    method: Method
    source_name: str
    names: dict[str, str]
    pretext: ComponentRef
    meta: ComponentRef
    labels: ComponentRef | None
    backbone: ComponentRef
    source: ComponentRef
    recipe: dict[str, Any]
    trains: bool
    sample: Any
    contents: dict[str, dict[str, Any]]
    cells: list[FamilyCell]
    tuned: list[dict[str, Any]]

    @property
    def label(self) -> str:
        """Its name in messages."""
        pretext, meta, *rest = axes_of(self.method, self.source_name, self.names).values()
        return f"{pretext} × {meta} ({', '.join(rest)})"

    def training(self, seed: int) -> Training:
        """The training for a seed, with its cells."""
        held = self.contents
        content: dict[str, Any] = {"backbone": held["backbone"], "seed": seed, "harness": harness()}
        stages: tuple[Stage, ...] = ()
        if self.trains:
            content |= {"source": held["source"], "recipe": self.recipe}
            content |= {"trained_as": trained} if (trained := trained_as(self.meta, self.recipe)) else {}
            regime: Regime = self.method.regime  # type: ignore[assignment]
            stages = keyed(chain(regime, self.pretext, self.meta, self.labels), content)
        else:
            content |= {"sample": self.sample}
        content |= {"learner": held["learner"], "stages": [s.key for s in stages]}
        content |= {"tuned": self.tuned} if self.tuned else {}
        key = training_key(content)
        return Training(
            key=key,
            matrix=self.matrix,
            method=self.method,
            source_name=self.source_name,
            names=self.names,
            seed=seed,
            backbone=self.backbone,
            learner=self.meta,
            source=self.source,
            stages=stages,
            recipe=self.recipe,
            content={**content, "pretext": held["pretext"]},
            cells=tuple(cell.of(key, content) for cell in self.cells),
            floor=not self.trains,
        )
