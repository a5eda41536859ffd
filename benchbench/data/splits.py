"""Which classes are for training, validation and test, and which of a part may share an episode."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchbench.data.hierarchy import ClassHierarchy
from benchbench.episodes.source import Source
from benchbench.errors import BenchbenchError, suggest
from benchbench.userfiles import normal

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class ClassSplit:
    """Class ids of each part. Parts are disjoint; a test-only target has an empty train and valid.

    variant_of: if several classes are variants of one thing (an Omniglot character in four rotations), the thing's id
    for each class of the table: an episode then draws things, and one variant of each.
    hierarchy: which classes Meta-Dataset's sampler lets share an episode; fixed-way episodes ignore it.
    sources: if several datasets are joined, the split of each in ids of the joined table: an episode then stays within
    one source, every source equally likely.
    test_rows: if the samples of the same classes are divided, as by folders ``train`` and ``test``, the rows that
    protocols which fit on a target score on; they fit on the others. A join of datasets drops it.
    ordered: labels keep the order of the classes in every episode, in training and at test, since they mean the same in
    each source: what a user dislikes, then what the user likes.
    """

    train: tuple[int, ...] = ()
    valid: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    variant_of: tuple[int, ...] | None = field(default=None, repr=False)
    hierarchy: ClassHierarchy | None = field(default=None, repr=False)
    sources: tuple["ClassSplit", ...] = field(default=(), repr=False)
    test_rows: tuple[int, ...] = field(default=(), repr=False)
    ordered: bool = False

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
        """A split from class names of each part, compared in one Unicode normal form; `where` begins the error for a
        name that is unknown or stands there twice."""
        ids = {normal(name): i for i, name in enumerate(class_names)}
        chosen: dict[str, tuple[int, ...]] = {}
        seen: dict[int, str] = {}
        for part, names in parts.items():
            found = []
            for name in names:
                c = ids.get(normal(name))
                if c is None:
                    raise BenchbenchError(f"{where}: part {part!r} names class {name!r}{suggest(name, ids)}")
                if c in seen:
                    again = "twice" if seen[c] == part else f"and part {seen[c]!r} too"
                    raise BenchbenchError(f"{where}: part {part!r} names class {name!r} {again}")
                seen[c] = part
                found.append(c)
            chosen[part] = tuple(sorted(found))
        return cls(chosen.get("train", ()), chosen.get("valid", ()), chosen.get("test", ()))

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they enter a fingerprint."""
        content: dict[str, Any] = {part: list(self.part(part)) for part in PARTS}
        if self.variant_of is not None:
            content["variant_of"] = list(self.variant_of)
        if self.hierarchy is not None:
            content["hierarchy"] = self.hierarchy.as_json()
        if self.test_rows:
            content["test_rows"] = list(self.test_rows)
        if self.ordered:
            content["ordered"] = True
        if self.sources:
            content["sources"] = [source.as_json() for source in self.sources]
        return content

    def renumbered(self, ids: Sequence[int], classes: int) -> "ClassSplit":
        """The same split with class c of its table as class ``ids[c]`` of a table of `classes` classes."""
        variant_of = None
        if self.variant_of is not None:
            # Other classes of the larger table are never asked for.
            of = dict(zip(ids, self.variant_of, strict=True))
            variant_of = tuple(of.get(c, -1) for c in range(classes))
        train, valid, test = (tuple(ids[c] for c in self.part(part)) for part in PARTS)
        return ClassSplit(
            train,
            valid,
            test,
            variant_of=variant_of,
            hierarchy=self.hierarchy and self.hierarchy.renumbered(ids),
            sources=tuple(source.renumbered(ids, classes) for source in self.sources),
            ordered=self.ordered,
        )

    @classmethod
    def joined(cls, sources: Sequence["ClassSplit"]) -> "ClassSplit":
        """The split of several sources in one table; a source that is itself joined counts as its own sources."""
        flat = tuple(s for source in sources for s in (source.sources or (source,)))
        train, valid, test = (tuple(c for s in flat for c in s.part(part)) for part in PARTS)
        return cls(train, valid, test, sources=flat)


def class_index(labels: np.ndarray, classes: Iterable[int]) -> list[np.ndarray]:
    """For each class, the rows of its samples in ascending order."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(int(labels.max(initial=-1)) + 2))
    return [order[bounds[c] : bounds[c + 1]] for c in classes]


def sources_of(index: Sequence[np.ndarray], split: ClassSplit, part: str, names: Sequence[str] = ()) -> list[Source]:
    """The sources of a part: one, or if datasets are joined, each that has classes in it. `index` holds the rows of
    each class in the order of ``split.part(part)``; `names` are those of the table's classes, if known."""
    rows = dict(zip(split.part(part), index, strict=True))
    return [_source(rows, s, part, names) for s in split.sources or (split,) if s.part(part)]


def _source(rows: dict[int, np.ndarray], split: ClassSplit, part: str, names: Sequence[str]) -> Source:
    classes = split.part(part)
    called = tuple(names[c] for c in classes) if names else ()
    variants = None if split.variant_of is None else [split.variant_of[c] for c in classes]
    if split.hierarchy is None:
        return Source([rows[c] for c in classes], variants, names=called, ordered=split.ordered)
    position = {c: i for i, c in enumerate(classes)}
    groups = tuple(np.array([position[c] for c in group], np.int64) for group in split.hierarchy.part(part))
    return Source([rows[c] for c in classes], variants, split.hierarchy.kind, groups, called, split.ordered)
