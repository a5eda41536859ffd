"""What one episode may draw from: the classes of a source and how they belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchbench.data.splits import ClassSplit


@dataclass(frozen=True)
class Source:
    """The classes of one source in one part. `index` holds the rows of each class; `variants` the thing that each is a
    variant of; `groups` the positions of classes that `kind` lets meet in an episode (`ClassHierarchy`)."""

    index: Sequence[np.ndarray]
    variants: list[int] | None = None
    kind: Literal["flat", "bilevel", "dag"] = "flat"
    groups: tuple[np.ndarray, ...] = ()

    @property
    def sizes(self) -> np.ndarray:
        """Samples of each class, (classes,) int64."""
        return np.array([len(rows) for rows in self.index], dtype=np.int64)


def sources_of(index: Sequence[np.ndarray], split: ClassSplit, part: str) -> list[Source]:
    """The sources of a part: one, or where datasets are joined each that has classes in it. `index` holds the rows of
    each class in the order of ``split.part(part)``."""
    rows = dict(zip(split.part(part), index, strict=True))
    return [_source(rows, s, part) for s in split.sources or (split,) if s.part(part)]


def _source(rows: dict[int, np.ndarray], split: ClassSplit, part: str) -> Source:
    classes = split.part(part)
    variants = None if split.variant_of is None else [split.variant_of[c] for c in classes]
    if split.hierarchy is None:
        return Source([rows[c] for c in classes], variants)
    position = {c: i for i, c in enumerate(classes)}
    groups = tuple(np.array([position[c] for c in group], np.int64) for group in split.hierarchy.part(part))
    return Source([rows[c] for c in classes], variants, split.hierarchy.kind, groups)
