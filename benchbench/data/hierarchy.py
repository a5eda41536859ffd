"""Which classes may share an episode if a dataset's classes form a hierarchy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any, Literal

from benchbench.errors import BenchbenchError

Kind = Literal["bilevel", "dag"]


@dataclass(frozen=True)
class ClassHierarchy:
    """Groups of classes that belong together, in the order used for drawing (Triantafillou et al. 2020,
    arXiv 1903.03096, section 3.2): an episode picks a group of its part.

    kind: ``bilevel`` (Omniglot's alphabets: some classes of the group) or ``dag`` (ImageNet's nodes: all leaves below
    one node). The groups of each part hold class ids of the table.
    """

    kind: Kind
    train: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    valid: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    test: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    def part(self, name: str) -> tuple[tuple[int, ...], ...]:
        """The groups of a part."""
        return getattr(self, name)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they enter a fingerprint."""
        return {"kind": self.kind, "train": self.train, "valid": self.valid, "test": self.test}

    def renumbered(self, ids: Sequence[int]) -> "ClassHierarchy":
        """The same groups with class c renumbered to ``ids[c]``."""
        parts = ("train", "valid", "test")
        return ClassHierarchy(
            self.kind, *(tuple(tuple(ids[c] for c in group) for group in self.part(p)) for p in parts)
        )

    @classmethod
    def of_levels(cls, parts: Mapping[str, Sequence[str]], class_names: Sequence[str]) -> "ClassHierarchy":
        """A bilevel hierarchy from names ``GROUP/CLASS``, the classes of each part listed group by group."""
        ids = {name: i for i, name in enumerate(class_names)}
        groups = {
            part: tuple(tuple(ids[n] for n in group) for _, group in groupby(names, lambda n: n.rpartition("/")[0]))
            for part, names in parts.items()
        }
        return cls("bilevel", **groups)

    @classmethod
    def of_graph(cls, parts: Mapping[str, Mapping[str, Sequence[str]]], ids: Mapping[str, int]) -> "ClassHierarchy":
        """A DAG for each part: internal node -> children; a name that is not a node is a leaf, and has a class id.

        Nodes and the leaves below each are sorted by name, as the reference sorts them by WordNet id. A class that is
        not in `ids` (it has no images) is left out.
        """
        return cls("dag", **{part: _groups(graph, ids) for part, graph in parts.items()})


def _groups(graph: Mapping[str, Sequence[str]], ids: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    spans = spanned_leaves(graph)
    return tuple(tuple(ids[leaf] for leaf in sorted(spans[node]) if leaf in ids) for node in sorted(graph))


def spanned_leaves(graph: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """The leaves below each internal node of a graph ``node -> children``; raises BenchbenchError for a cycle."""
    entered: set[str] = set()

    @cache
    def below(node: str) -> frozenset[str]:
        if node not in graph:
            return frozenset((node,))
        if node in entered:
            raise BenchbenchError(f"class graph: node {node} is below itself: expected a graph without cycles")
        entered.add(node)
        return frozenset[str]().union(*map(below, graph[node]))

    return {node: below(node) for node in graph}
