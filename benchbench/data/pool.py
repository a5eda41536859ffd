"""The samples that a stage trains on, as a pretext sees them."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from benchbench.data.splits import ClassSplit, class_index, sources_of
from benchbench.data.storage import read
from benchbench.data.table import SampleTable
from benchbench.encoding.sample import SampleSpec, Vocabulary
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.episodes.fixed import check_shape, draw_classes
from benchbench.episodes.source import Source
from benchbench.episodes.variable import VariableShape, describe, next_episode
from benchbench.errors import BenchbenchError
from benchbench.rng import Rng


class Pool:
    """Samples of one part of a dataset, read by index and given as tensors on a device: images in [0, 1], ids as int64.

    They stay in the memory-mapped table until asked for, as a part may be larger than memory. An unlabelled pool holds
    no labels: `labels`, `classes` and `labelled_episodes` serve only a pretext that declares `uses_labels`. Its samples
    are in random order, as in a table they stand class by class, where an index is a label.
    """

    def __init__(
        self,
        table: SampleTable,
        rows: np.ndarray,
        *,
        name: str,
        device: torch.device | str = "cpu",
        labels: Tensor | None = None,
        sources: list[Source] | None = None,
        lookup: np.ndarray | None = None,
    ):
        self.name = name
        self.device = torch.device(device)
        self._x, self._rows = table.x, rows
        self._labels = labels
        self._sources = sources
        self._lookup = lookup

    @classmethod
    def of(
        cls,
        table: SampleTable,
        split: ClassSplit,
        part: str,
        *,
        name: str,
        labelled: bool,
        device: torch.device | str = "cpu",
        rng: Rng | None = None,
        sample: SampleSpec | None = None,
    ) -> "Pool":
        """The pool of a part of a split. Raises BenchbenchError if the part is empty.

        Tokens that the vocabulary of `sample`, if any, lacks are given as hidden.

        The order of an unlabelled pool depends on `rng` and on the data's fingerprint: on the stream, so that no list
        of labels made for one training fits another; on the fingerprint, which a pretext is not given, so that it
        cannot be undone from the stream alone. It is the same for every method with that stream.
        """
        classes = split.part(part)
        if not classes:
            raise BenchbenchError(f"dataset {name}: its {part} part has no classes")
        by_class = class_index(table.labels, classes)
        rows = np.concatenate(by_class)
        lookup = _lookup(table, sample)
        if not labelled:
            order = (rng or Rng("pool")).child("order", table.fingerprint, part).numpy.permutation(len(rows))
            return cls(table, rows[order], name=f"{name} ({part})", device=device, lookup=lookup)
        sizes = [len(r) for r in by_class]
        labels = torch.arange(len(classes)).repeat_interleave(torch.tensor(sizes))
        starts = np.cumsum([0, *sizes])
        local = [np.arange(a, b) for a, b in pairwise(starts)]
        sources = sources_of(local, split, part, table.class_names)
        return cls(table, rows, name=f"{name} ({part})", device=device, labels=labels, sources=sources, lookup=lookup)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def labels(self) -> Tensor:
        """The class of each sample, (N,) int64 below `classes`."""
        if self._labels is None:
            raise BenchbenchError(f"{self.name} is an unlabelled pool: a pretext that reads labels sets uses_labels")
        return self._labels

    @property
    def classes(self) -> int:
        """How many classes a labelled pool has."""
        return int(self.labels.max()) + 1

    @property
    def places(self) -> Tensor:
        """The place of each class among those of its source, (classes,) int64: what a label means in every source if
        classes are ordered."""
        places = torch.empty(self.classes, dtype=torch.int64)
        for source in self._joined():
            for place, rows in enumerate(source.index):
                places[self.labels[int(rows[0])]] = place
        return places

    def samples(self, index: Tensor) -> Tensor:
        """index (...) on the CPU -> samples (..., *shape) on the pool's device."""
        x = self._x[self._rows[index.flatten().numpy()]]
        if self._lookup is not None:
            x = self._lookup[x]
        return read(x, self.device).unflatten(0, index.shape)

    def images(self, index: Tensor) -> Tensor:
        """`samples`, by its earlier name."""
        return self.samples(index)

    def draw(self, count: int, n: int, rng: Rng) -> Tensor:
        """`count` sets of `n` distinct samples: (count, n, *shape)."""
        if n > len(self):
            raise BenchbenchError(f"{self.name} has {len(self)} samples, too few for {n} different ones")
        return self.samples(rng.choices(len(self), n, count))

    def labelled_episodes(self, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """Episodes over the pool's true classes, labels in random order unless classes are ordered. If several sources
        are joined, each episode is from one, every source equally likely."""
        for source in self._joined():
            check_shape(shape, source.index, self.name, source.variants, source.names)
        state = rng.numpy
        rows = np.empty((count, shape.ways, shape.per_class), np.int64)
        for b in range(count):
            source = self._source(state)
            drawn = draw_classes(state, shape.ways, len(source.index), source.variants, ordered=source.ordered)
            for w, c in enumerate(drawn):
                members = source.index[c]
                rows[b, w] = members[state.permutation(len(members))[: shape.per_class]]
        # Rows, not samples, are divided into support and queries: samples would be copied once more.
        placed = Episodes.from_classes(torch.from_numpy(rows), shape)
        support_y, query_y = placed.support_y.to(self.device), placed.labels().to(self.device)
        return Episodes(self.samples(placed.support_x), support_y, self.samples(placed.query_x), query_y, shape.ways)

    def variable_episode(self, shape: VariableShape, rng: Rng) -> Episodes:
        """One episode of varying ways and shots over the pool's true classes, from one source as above: B = 1."""
        drawn = next_episode(rng.numpy, shape, self._source(rng.numpy))
        x, y = (
            torch.from_numpy(np.concatenate(pair))
            for pair in ((drawn.support, drawn.query), (drawn.support_y, drawn.query_y))
        )
        x, y, s = self.samples(x).unsqueeze(0), y.to(self.device).unsqueeze(0), len(drawn.support)
        return Episodes(x[:, :s], y[:, :s], x[:, s:], y[:, s:], len(drawn.classes))

    def variable_size(self, shape: VariableShape, rng: Rng) -> int:
        """How many samples the `variable_episode` of the same stream has; reads no sample."""
        return describe(rng.numpy, shape, self._source(rng.numpy)).samples

    def _joined(self) -> list[Source]:
        _ = self.labels
        assert self._sources is not None
        return self._sources

    def _source(self, state: np.random.RandomState) -> Source:
        sources = self._joined()
        return sources[state.randint(len(sources))] if len(sources) > 1 else sources[0]


def _lookup(table: SampleTable, sample: SampleSpec | None) -> np.ndarray | None:
    """The id that an encoder of `sample` has for each of a table's."""
    if sample is None or sample.vocabulary is None:
        return None
    return Vocabulary(table.tokens, [0.0] * len(table.tokens)).lookup(sample.vocabulary)
