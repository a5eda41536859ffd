"""Meta-Dataset's episodes: ways, shots and queries vary (Triantafillou et al. 2020, arXiv 1903.03096, section 3.2).

`describe` is a port of the reference's sampler (google-research/meta-dataset, data/sampling.py): the same draws from
``RandomState`` in the same order, so that the two can be compared draw for draw. Which samples of a class are taken is
our own choice: the reference leaves that to the order of its shuffled files.
"""

import math
from dataclasses import dataclass

import numpy as np

from benchbench.episodes.fixed import EpisodeIndex, draw_classes, stream, too_small
from benchbench.episodes.source import Source
from benchbench.errors import BenchbenchError


@dataclass(frozen=True)
class VariableShape:
    """How large episodes may be; the defaults are the reference's.

    Ways are drawn between `min_ways` and `max_ways`, or are the leaves below a class-graph node that spans at most
    `max_span` (the smallest limit that reaches every class of ImageNet). A class has at most `max_queries` queries. The
    support set has at most `max_support` samples; each class adds at most `max_support_per_class` to its drawn size.
    Class shares vary by a factor between exp(`min_log_weight`) and exp(`max_log_weight`).

    `ways`, `shots` and `queries` fix these numbers instead; with fixed `ways`, or without `hierarchy`, classes are
    drawn from the whole part.
    """

    min_ways: int = 5
    max_ways: int = 50
    max_queries: int = 10
    max_support: int = 500
    max_support_per_class: int = 100
    min_log_weight: float = math.log(0.5)
    max_log_weight: float = math.log(2)
    max_span: int = 392
    ways: int | None = None
    shots: int | None = None
    queries: int | None = None
    hierarchy: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.min_ways <= self.max_ways:
            raise BenchbenchError(f"expected 2 <= min_ways <= max_ways, got {self.min_ways} and {self.max_ways}")
        if self.max_support < (self.ways or self.max_ways):
            raise BenchbenchError(
                f"max_support {self.max_support} leaves no sample a class in {self.ways or self.max_ways}-way episodes"
            )
        if self.min_log_weight > self.max_log_weight:
            raise BenchbenchError(f"min_log_weight {self.min_log_weight} is above max_log_weight {self.max_log_weight}")


@dataclass(frozen=True)
class Composition:
    """What an episode consists of: `classes` (ways,) as positions among a source's classes, `shots` (ways,) support
    samples of each, and `queries` query samples of every class."""

    classes: np.ndarray
    shots: np.ndarray
    queries: int

    @property
    def samples(self) -> int:
        """Support and query samples together."""
        return int(self.shots.sum()) + len(self.classes) * self.queries


def check_variable(shape: VariableShape, source: Source, where: str) -> None:
    """Raise BenchbenchError if there are too few classes or samples for any episode of `shape`."""
    kind, least = _kind(shape, source), shape.ways or shape.min_ways
    if kind == "dag":
        if not _eligible(shape, source):
            raise BenchbenchError(f"{where}: no node of its class graph spans {least} to {shape.max_span} classes")
    else:
        things = source.variants or range(len(source.index))
        fewest = min(map(len, source.groups)) if kind == "bilevel" else len(set(things))
        if fewest < least:
            what = "its smallest group" if kind == "bilevel" else "it"
            raise BenchbenchError(f"{where}: {least}-way episodes need {least} classes, but {what} has {fewest}")
    needed, smallest = (shape.shots or 1) + (shape.queries or 1), int(source.sizes.min())
    if smallest < needed:
        few = too_small(source.index, needed, source.names)
        raise BenchbenchError(f"{where}: episodes need {needed} images a class, but {few}")


def describe(state: np.random.RandomState, shape: VariableShape, source: Source) -> Composition:
    """The composition of the next episode of the stream `state`."""
    classes = _draw_classes(state, shape, source)
    sizes = source.sizes[classes]
    queries = _queries(shape, sizes)
    if shape.shots is not None:
        return Composition(classes, np.full(len(classes), shape.shots), queries)
    left = sizes - queries
    share = state.uniform()
    total = min(shape.max_support, np.floor(share * np.minimum(shape.max_support_per_class, left) + 1).sum())
    weights = sizes * np.exp(state.uniform(shape.min_log_weight, shape.max_log_weight, size=sizes.shape))
    # Every class is sure of one sample; the rest follow the weights.
    wanted = np.floor(weights / weights.sum() * (total - len(classes))).astype(np.int64) + 1
    return Composition(classes, np.minimum(wanted, left), queries)


def variable_episode(key: str, number: int, shape: VariableShape, source: Source) -> EpisodeIndex:
    """Episode `number` of the stream named `key`: see `next_episode`."""
    return next_episode(stream(key, number), shape, source)


def next_episode(state: np.random.RandomState, shape: VariableShape, source: Source) -> EpisodeIndex:
    """The next episode of the stream `state`. Support and query are disjoint; labels are 0..ways - 1 in the order in
    which the classes were drawn, or of an ordered source in theirs."""
    drawn = describe(state, shape, source)
    rows = [
        source.index[c][_distinct(state, len(source.index[c]), shots + drawn.queries)]
        for c, shots in zip(drawn.classes, drawn.shots, strict=True)
    ]
    labels = np.arange(len(drawn.classes))
    order = state.permutation(len(labels) * drawn.queries)
    return EpisodeIndex(
        support=np.concatenate([r[:shots] for r, shots in zip(rows, drawn.shots, strict=True)]),
        support_y=labels.repeat(drawn.shots),
        query=np.concatenate([r[shots:] for r, shots in zip(rows, drawn.shots, strict=True)])[order],
        query_y=labels.repeat(drawn.queries)[order],
        classes=drawn.classes,
    )


def _kind(shape: VariableShape, source: Source) -> str:
    return source.kind if shape.hierarchy and shape.ways is None else "flat"


def _eligible(shape: VariableShape, source: Source) -> list[np.ndarray]:
    return [group for group in source.groups if shape.min_ways <= len(group) <= shape.max_span]


def _draw_classes(state: np.random.RandomState, shape: VariableShape, source: Source) -> np.ndarray:
    drawn = _any_order(state, shape, source)
    return np.sort(drawn) if source.ordered else drawn


def _any_order(state: np.random.RandomState, shape: VariableShape, source: Source) -> np.ndarray:
    kind = _kind(shape, source)
    if kind == "flat":
        things = len(source.index) if source.variants is None else len(set(source.variants))
        return draw_classes(state, shape.ways or _ways(state, shape, things), len(source.index), source.variants)
    # The reference first draws whether to heed the hierarchy, though the answer is always yes.
    state.random_sample()
    groups = _eligible(shape, source) if kind == "dag" else source.groups
    group = groups[state.randint(0, len(groups), dtype=np.int64)]
    if kind == "bilevel":
        ways = _ways(state, shape, len(group))
        return group[state.permutation(len(group))[:ways]]
    return group if len(group) <= shape.max_ways else group[state.permutation(len(group))[: shape.max_ways]]


def _ways(state: np.random.RandomState, shape: VariableShape, classes: int) -> int:
    return int(state.randint(shape.min_ways, min(shape.max_ways, classes) + 1, dtype=np.int64))


def _queries(shape: VariableShape, sizes: np.ndarray) -> int:
    if shape.queries is not None:
        return shape.queries
    most = int((sizes // 2).min() if shape.shots is None else sizes.min() - shape.shots)
    return min(shape.max_queries, most)


def _distinct(state: np.random.RandomState, n: int, k: int) -> np.ndarray:
    """`k` different integers below `n` in random order: the head of a shuffle, at a cost that does not grow with `n`
    (Quick Draw has classes of 300,000 images)."""
    swaps = state.randint(np.arange(k), n, dtype=np.int64).tolist()
    moved: dict[int, int] = {}
    taken = []
    for i, j in enumerate(swaps):
        taken.append(moved.get(j, j))
        moved[j] = moved.get(i, i)
    return np.array(taken, dtype=np.int64)
