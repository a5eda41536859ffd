"""What one episode may draw from: the classes of a source and how they are related."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Source:
    """The classes of one source in one part. `index` holds the rows of each class; `variants` the thing each class is a
    variant of; `groups` the positions of classes that `kind` lets share an episode (`ClassHierarchy`); `names` the
    classes' names, if known; `ordered` that labels keep the order of the classes, which mean the same in every
    source."""

    index: Sequence[np.ndarray]
    variants: list[int] | None = None
    kind: Literal["flat", "bilevel", "dag"] = "flat"
    groups: tuple[np.ndarray, ...] = ()
    names: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def sizes(self) -> np.ndarray:
        """Samples of each class, (classes,) int64."""
        return np.array([len(rows) for rows in self.index], dtype=np.int64)
