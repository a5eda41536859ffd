"""dataset_spec.json, in its three classes: what the record files of a Meta-Dataset source hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchbench.data.hierarchy import ClassHierarchy, spanned_leaves
from benchbench.data.splits import PARTS, ClassSplit
from benchbench.errors import BenchbenchError, suggest
from benchbench.userfiles import read_text

FLAT, BILEVEL, DAG = "DatasetSpecification", "BiLevelDatasetSpecification", "HierarchicalDatasetSpecification"
FILE = "dataset_spec.json"
PATTERN = "{}.tfrecords"


@dataclass(frozen=True)
class DatasetSpec:
    """A source's classes by id, numbered through train, valid and test: `class_names` and number of `images` of each;
    `parts` is how many classes each part has.

    superclasses: for a bilevel source, the name and number of classes of each superclass; they divide the classes in
    order. graph: for a hierarchical source, internal node -> children for each part; leaves are class names.
    """

    name: str
    class_names: tuple[str, ...]
    images: tuple[int, ...]
    parts: Mapping[str, int]
    superclasses: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    graph: Mapping[str, Mapping[str, Sequence[str]]] | None = field(default=None, repr=False)
    pattern: str = PATTERN

    def ids(self, part: str) -> range:
        """The class ids of a part."""
        start = sum(self.parts[p] for p in PARTS[: PARTS.index(part)])
        return range(start, start + self.parts[part])

    def split(self, class_names: Sequence[str]) -> ClassSplit:
        """Parts in the order of the official class ids, and the hierarchy, for a table of these classes."""
        table = {name: i for i, name in enumerate(class_names)}
        if missing := [n for n in self.class_names if n not in table]:
            raise BenchbenchError(f"dataset {self.name}: class {missing[0]!r} of its {FILE} has no images")
        of = [table[name] for name in self.class_names]
        train, valid, test = (tuple(of[c] for c in self.ids(part)) for part in PARTS)
        return ClassSplit(train, valid, test, hierarchy=self._hierarchy(of, table))

    def _hierarchy(self, of: Sequence[int], table: Mapping[str, int]) -> ClassHierarchy | None:
        if self.graph is not None:
            return ClassHierarchy.of_graph(self.graph, table)
        if not self.superclasses:
            return None
        groups: dict[str, list[tuple[int, ...]]] = {part: [] for part in PARTS}
        start = 0
        for _, count in self.superclasses:
            part = next(p for p in PARTS if start in self.ids(p))
            groups[part].append(tuple(of[start : start + count]))
            start += count
        return ClassHierarchy("bilevel", *(tuple(groups[part]) for part in PARTS))

    def as_json(self) -> dict[str, Any]:
        """The content of dataset_spec.json, as the reference reads it."""
        content: dict[str, Any] = {"name": self.name}
        by_id = {str(c): n for c, n in enumerate(self.images)}
        if self.graph is not None:
            images = dict(zip(self.class_names, self.images, strict=True))
            content |= {"split_subgraphs": {}, "images_per_class": {}}
            for part in PARTS:
                nodes = _nodes(self.graph.get(part, {}), [self.class_names[c] for c in self.ids(part)])
                content["split_subgraphs"][part.upper()] = nodes
                spans = spanned_leaves(self.graph.get(part, {}))
                content["images_per_class"][part.upper()] = {
                    n["wn_id"]: sum(images[leaf] for leaf in spans.get(n["wn_id"], (n["wn_id"],))) for n in nodes
                }
        elif self.superclasses:
            content |= {"superclasses_per_split": {p.upper(): self._superclasses(p) for p in PARTS}}
            content["classes_per_superclass"] = {str(s): n for s, (_, n) in enumerate(self.superclasses)}
            content["images_per_class"] = by_id
            content["superclass_names"] = {str(s): name for s, (name, _) in enumerate(self.superclasses)}
        else:
            content |= {"classes_per_split": {p.upper(): self.parts[p] for p in PARTS}, "images_per_class": by_id}
        content["class_names"] = {str(c): name for c, name in enumerate(self.class_names)}
        kind = DAG if self.graph is not None else BILEVEL if self.superclasses else FLAT
        return content | {"path": self.name, "file_pattern": self.pattern, "__class__": kind}

    def _superclasses(self, part: str) -> int:
        starts = [sum(n for _, n in self.superclasses[:s]) for s in range(len(self.superclasses))]
        return sum(start in self.ids(part) for start in starts)


def _nodes(graph: Mapping[str, Sequence[str]], leaves: Sequence[str]) -> list[dict[str, Any]]:
    parents: dict[str, list[str]] = {name: [] for name in (*graph, *leaves)}
    for node, children in graph.items():
        for child in children:
            parents[child].append(node)
    return [
        {"wn_id": n, "words": n, "children_ids": list(graph.get(n, ())), "parents_ids": parents[n]}
        for n in sorted(parents)
    ]


def read_spec(path: Path) -> DatasetSpec:
    """The specification in a file. Raises a BenchbenchError that names the file and what is wrong with it."""
    try:
        content = json.loads(read_text(path))
        kind = content["__class__"]
        if kind not in (FLAT, BILEVEL, DAG):
            raise BenchbenchError(f"{path}: unknown __class__ {kind!r}{suggest(kind, (FLAT, BILEVEL, DAG))}")
        names = _by_id(content["class_names"])
        common = {"name": content["name"], "class_names": names, "pattern": content["file_pattern"]}
        if kind == DAG:
            spec = _hierarchical(content, common)
        elif kind == BILEVEL:
            sizes = _by_id(content["classes_per_superclass"])
            superclasses = tuple(zip(_by_id(content["superclass_names"]), sizes, strict=True))
            spec = DatasetSpec(
                **common,
                images=_images(content, names),
                parts=_bilevel_parts(content, sizes),
                superclasses=superclasses,
            )
        else:
            parts = {p: content["classes_per_split"][p.upper()] for p in PARTS}
            spec = DatasetSpec(**common, images=_images(content, names), parts=parts)
    except KeyError as error:
        raise BenchbenchError(f"{path}: key {error} is missing") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BenchbenchError(f"{path}: expected a dataset_spec.json of Meta-Dataset: {error}") from None
    if sum(spec.parts.values()) != len(names) or len(set(names)) != len(names):
        raise BenchbenchError(
            f"{path}: its parts have {sum(spec.parts.values())} classes, its class_names {len(names)}"
        )
    return spec


def _by_id(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of an object whose keys are the numbers 0 to n - 1."""
    return tuple(content[str(i)] for i in range(len(content)))


def _images(content: Mapping[str, Any], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(content["images_per_class"][str(c)] for c in range(len(names)))


def _bilevel_parts(content: Mapping[str, Any], sizes: Sequence[int]) -> dict[str, int]:
    parts, start = {}, 0
    for part in PARTS:
        end = start + content["superclasses_per_split"][part.upper()]
        parts[part] = sum(sizes[start:end])
        start = end
    return parts


def _hierarchical(content: Mapping[str, Any], common: Mapping[str, Any]) -> DatasetSpec:
    images: dict[str, int] = {}
    graph, parts = {}, {}
    for part in PARTS:
        nodes = content["split_subgraphs"][part.upper()]
        graph[part] = {n["wn_id"]: tuple(n["children_ids"]) for n in nodes if n["children_ids"]}
        parts[part] = len(nodes) - len(graph[part])
        images |= content["images_per_class"][part.upper()]
    return DatasetSpec(**common, images=tuple(images[n] for n in common["class_names"]), parts=parts, graph=graph)
