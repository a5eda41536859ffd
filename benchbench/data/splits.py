"""Which classes are for training, validation and test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from benchbench.errors import BenchbenchError, suggest

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class ClassSplit:
    """Class ids of each part. Parts are disjoint; a test-only target has an empty train and valid.

    variant_of: where several classes are variants of one thing (an Omniglot character in four rotations), the thing's
    id for each class of the table: an episode then draws things, and one variant of each.
    """

    train: tuple[int, ...] = ()
    valid: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    variant_of: tuple[int, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        seen: dict[int, str] = {}
        for part in PARTS:
            for c in self.part(part):
                if c in seen:
                    raise BenchbenchError(f"class {c} stands in split part {seen[c]!r} and again in {part!r}")
                seen[c] = part

    def part(self, name: str) -> tuple[int, ...]:
        """The class ids of a part."""
        if name not in PARTS:
            raise BenchbenchError(f"unknown split part {name!r}{suggest(name, PARTS)}")
        return getattr(self, name)

    @classmethod
    def by_name(cls, class_names: Iterable[str], parts: Mapping[str, Iterable[str]], where: str) -> "ClassSplit":
        """A split from class names of each part; `where` names the split in the error for a name that is unknown."""
        ids = {name: i for i, name in enumerate(class_names)}
        chosen = {}
        for part, names in parts.items():
            names = list(names)
            for name in names:
                if name not in ids:
                    raise BenchbenchError(f"{where}: part {part!r} names class {name!r}{suggest(name, ids)}")
            chosen[part] = tuple(sorted(ids[name] for name in names))
        return cls(**chosen)

    def as_json(self) -> dict[str, list[int]]:
        """Plain values, as they enter a fingerprint."""
        groups = {} if self.variant_of is None else {"variant_of": list(self.variant_of)}
        return {**{part: list(self.part(part)) for part in PARTS}, **groups}


def class_index(labels: np.ndarray, classes: Iterable[int]) -> list[np.ndarray]:
    """For each class, the rows of its samples in ascending order."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(int(labels.max(initial=-1)) + 2))
    return [order[bounds[c] : bounds[c + 1]] for c in classes]
