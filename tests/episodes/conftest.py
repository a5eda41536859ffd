"""Meta-Dataset's sources as their class sizes, which is all that a sampler looks at."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchbench import ClassHierarchy, ClassSplit, tasks_folder
from benchbench.data.splits import sources_of
from benchbench.episodes.source import Source

COUNTS = json.loads((Path(__file__).parents[1] / "fixtures" / "meta_dataset_class_counts.json").read_text("utf-8"))
GRAPH = json.loads((tasks_folder() / "splits" / "ilsvrc-2012-graph.json").read_text("utf-8"))


def rows_of(sizes: list[int]) -> list[np.ndarray]:
    """Rows of a table whose classes have these sizes and stand one after the other."""
    ends = np.cumsum(sizes)
    return [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def flat(sizes: list[int]) -> Source:
    split = ClassSplit(train=tuple(range(len(sizes))))
    return sources_of(rows_of(sizes), split, "train")[0]


def omniglot(part: str) -> Source:
    """Alphabets of characters, 20 images each."""
    bounds = np.cumsum([0, *COUNTS["omniglot"][part]])
    groups = tuple(tuple(range(a, b)) for a, b in pairwise(bounds))
    classes = tuple(range(bounds[-1]))
    split = ClassSplit(test=classes, hierarchy=ClassHierarchy("bilevel", test=groups))
    return sources_of(rows_of([20] * len(classes)), split, "test")[0]


def ilsvrc(part: str) -> Source:
    """ImageNet's class graph."""
    images = GRAPH["images"][part]
    ids = {name: i for i, name in enumerate(images)}
    hierarchy = ClassHierarchy.of_graph({"test": GRAPH["graph"][part]}, ids)
    split = ClassSplit(test=tuple(range(len(ids))), hierarchy=hierarchy)
    return sources_of(rows_of(list(images.values())), split, "test")[0]


@pytest.fixture(scope="session")
def source() -> Callable[[str, str], Source]:
    """(name of a Meta-Dataset source, part) -> its classes."""
    made = {"omniglot": omniglot, "ilsvrc_2012": ilsvrc}

    def get(name: str, part: str) -> Source:
        return made[name](part) if name in made else flat(COUNTS[name][part])

    return get


@pytest.fixture(scope="session")
def of_sizes() -> Callable[[list[int]], Source]:
    """Class sizes -> a source without a hierarchy."""
    return flat
