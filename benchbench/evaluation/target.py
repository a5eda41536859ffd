"""What scoring is done on: fixed test episodes and divided samples. Labels stay here; no learner gets them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.data.prepare import Prepared
from benchbench.data.splits import class_index, sources_of
from benchbench.data.storage import read
from benchbench.encoding.sample import SampleSpec
from benchbench.episodes.batch import EpisodeShape
from benchbench.episodes.fixed import EpisodeIndex, check_shape, episode_set_hash, fixed_episode, stream
from benchbench.episodes.source import Source
from benchbench.episodes.variable import VariableShape, check_variable, variable_episode
from benchbench.errors import BenchbenchError
from benchbench.evaluation.division import Amount, Division, check_division, divide, mixed, reduced
from benchbench.keys import canonical
from benchbench.revisions import EPISODES_REVISION

#: Episodes scored at once on cached features.
CACHED_AT_ONCE = 100


@dataclass(frozen=True)
class TestBatch:
    """Episodes of a target as positions among its samples, without query labels. Support and queries are in random
    order."""

    __test__ = False

    target: "Target"
    number: int
    support: Tensor
    support_y: Tensor
    query: Tensor
    ways: int

    def __len__(self) -> int:
        return len(self.support)


class Target:
    """One part of a dataset to be scored on, in the shape that the encoder takes."""

    def __init__(self, data: Prepared, sample: SampleSpec, *, part: str = "test", device: str = "cpu"):
        self.data = data
        self.part = part
        self.sample = sample
        self.device = torch.device(device)
        self.name = f"dataset {data.name} ({part})"
        #: Distinguishes its samples from those of any other target.
        self.place = f"{data.fingerprint}/{data.table.pixel_hash}/{part}"
        self._labels: dict[int, np.ndarray] = {}
        self._used: np.ndarray | None = None
        self.episodes_hash: str | None = None

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        return class_index(self.data.table.labels, self.data.split.part(self.part))

    @cached_property
    def _sources(self) -> list[Source]:
        return sources_of(self._rows, self.data.split, self.part, self.data.table.class_names)

    def check(self, shape: EpisodeShape | VariableShape) -> None:
        """Raise BenchbenchError if it has too few classes or samples for episodes of `shape`."""
        if not self._sources:
            raise BenchbenchError(f"{self.name} has no classes")
        for source in self._sources:
            if isinstance(shape, VariableShape):
                check_variable(shape, source, self.name)
            else:
                check_shape(shape, source.index, self.name, source.variants, source.names)

    def samples(self, rows: np.ndarray, sample: SampleSpec | None = None) -> Tensor:
        """Samples (N, *shape) as the encoder takes them, or as `sample` says."""
        held = read(self.data.table.x[rows], self.device)
        return self.data.modality.fit(held, self.data.raw, sample or self.sample)

    def images(self, rows: np.ndarray, sample: SampleSpec | None = None) -> Tensor:
        """`samples`, by its earlier name."""
        return self.samples(rows, sample)

    @property
    def used(self) -> np.ndarray:
        """The rows that its episodes may hold, ascending."""
        if self._used is None:
            self._used = np.sort(np.concatenate(self._rows))
        return self._used

    # Parts

    @cached_property
    def _key(self) -> str:
        return f"{self.data.fingerprint}/{self.part}"

    @cached_property
    def _whole(self) -> Division:
        return divide(self._key, self._rows, self._held)

    @cached_property
    def _held(self) -> np.ndarray:
        return np.array(self.data.split.test_rows, np.int64)

    def _truth(self, rows: np.ndarray) -> np.ndarray:
        """The labels (n,) of some rows: the position of each one's class in the part."""
        classes = np.array(self.data.split.part(self.part))
        order = np.argsort(classes)
        return order[np.searchsorted(classes, self.data.table.labels[rows], sorter=order)]

    def check_parts(self, amount: Amount | None = None) -> None:
        """Raise BenchbenchError if it has too few samples to be divided, or to give `amount` of them."""
        names = [self.data.table.class_names[c] for c in self.data.split.part(self.part)]
        check_division(amount or Amount(), self._rows, self.name, names, self._held)

    @property
    def classes(self) -> int:
        """How many classes it has."""
        return len(self._rows)

    @cached_property
    def pool(self) -> np.ndarray:
        """The rows of all its parts, ascending."""
        whole = self._whole
        return np.sort(np.concatenate([whole.fit.rows, whole.select.rows, whole.test]))

    def division(self, amount: Amount | None = None, draw: int = 0) -> Division:
        """Its fit, select and test parts (`benchbench.evaluation.division`), with fit and select cut down to `amount`:
        the same for every method, seed and machine, each in random order. The test part has no labels."""
        self.check_parts(amount)
        self.episodes_hash = self._whole.digest
        return mixed(self._key, reduced(self._key, self._whole, amount or Amount(), draw), draw)

    def score_images(self, rows: np.ndarray, predictions: Tensor | np.ndarray) -> list[int]:
        """1 for each of `rows` whose class is predicted correctly, else 0; predictions (n,) int."""
        predicted = np.asarray(predictions.cpu() if isinstance(predictions, Tensor) else predictions)
        if predicted.shape != rows.shape:
            raise ValueError(f"expected predictions {rows.shape}, got {predicted.shape}")
        return (self._truth(rows) == predicted).astype(int).tolist()

    # Annotated parts

    def check_annotated(self, what: str, shots: int | None) -> None:
        """Raise BenchbenchError if it lacks `what`, ``boxes`` or ``masks``, or has too few images for `shots`."""
        if getattr(self.data.table, what) is None:
            raise BenchbenchError(f"{self.name} has no {what}: its images are not annotated with them")
        self.check_parts(Amount(shots=shots))

    def scenes(self, rows: np.ndarray) -> Tensor:
        """Images (N, C, H, W) in [0, 1] at their own size, with the channels that the encoder takes."""
        height, width = self.data.table.shape[1:]
        return self.samples(rows, replace(self.sample, shape=(self.sample.shape[0], height, width)))

    def boxes(self, rows: np.ndarray) -> list[np.ndarray]:
        """Boxes (n, 5) of some images of its fit or select part, as `benchbench.Sample` has them."""
        self._refuse_test(rows)
        assert self.data.table.boxes is not None
        return [self.data.table.boxes[row] for row in rows]

    def masks(self, rows: np.ndarray) -> np.ndarray:
        """Masks uint8 (N, H, W) of some images of its fit or select part, as `benchbench.Sample` has them."""
        self._refuse_test(rows)
        assert self.data.table.masks is not None
        return np.asarray(self.data.table.masks[rows])

    def score_annotated(
        self, rows: np.ndarray, measure: Callable[[list[np.ndarray]], dict[str, list[float]]], what: str
    ) -> dict[str, list[float]]:
        """What `measure`, which must already hold the predictions, makes of test images' ``boxes`` or ``masks``."""
        truth = getattr(self.data.table, what)
        return measure([truth[row] for row in rows])

    def _refuse_test(self, rows: np.ndarray) -> None:
        if np.isin(rows, self._whole.test).any():
            raise ValueError("these are test images: their annotations stay with the scorer")

    # Episodes

    def _source(self, key: str, number: int) -> Source:
        """The source of an episode: all are equally likely."""
        if len(self._sources) == 1:
            return self._sources[0]
        return self._sources[stream(key, number, "source").randint(len(self._sources))]

    def drawn(self, shape: EpisodeShape | VariableShape, count: int) -> list[EpisodeIndex]:
        """The first `count` fixed episodes of a shape: the same for every method, seed and machine."""
        self.check(shape)
        if isinstance(shape, VariableShape):
            key = f"{self._key}/{canonical(vars(shape))}"
            return [variable_episode(key, i, shape, self._source(key, i)) for i in range(count)]
        key = f"{self._key}/{shape.ways}-{shape.shots}-{shape.queries}/{EPISODES_REVISION}"
        sources = (self._source(key, i) for i in range(count))
        return [fixed_episode(key, i, shape, s.index, s.variants, ordered=s.ordered) for i, s in enumerate(sources)]

    def episodes(self, shape: EpisodeShape | VariableShape, count: int) -> Iterator[TestBatch]:
        """`count` fixed episodes in batches; those of variable shape one by one."""
        drawn = self.drawn(shape, count)
        self.episodes_hash = episode_set_hash(drawn)
        at_once = CACHED_AT_ONCE
        if isinstance(shape, VariableShape):
            at_once = 1
            # A large target is not embedded in full: its episodes touch only a small part of it.
            self._used = np.unique(np.concatenate([rows for e in drawn for rows in (e.support, e.query)]))
        for start in range(0, count, at_once):
            yield self._batch(start, drawn[start : start + at_once])

    def _batch(self, number: int, part: list[EpisodeIndex]) -> TestBatch:
        self._labels[number] = np.stack([e.query_y for e in part])
        # A fixed episode has its support class by class, and an encoder would see labels in the order of its batch.
        keys = (stream(self._key, "support order", number + i) for i in range(len(part)))
        orders = [state.permutation(len(e.support)) for state, e in zip(keys, part, strict=True)]
        return TestBatch(
            self,
            number,
            torch.from_numpy(np.stack([e.support[order] for e, order in zip(part, orders, strict=True)])),
            torch.from_numpy(np.stack([e.support_y[order] for e, order in zip(part, orders, strict=True)])),
            torch.from_numpy(np.stack([e.query for e in part])),
            len(part[0].classes),
        )

    def hits(self, batch: TestBatch, logits: Tensor) -> np.ndarray:
        """Which queries (B, Q) of `batch` have their class scored highest, from logits (B, Q, ways)."""
        labels = self._labels[batch.number]
        if tuple(logits.shape) != (*labels.shape, batch.ways):
            raise ValueError(f"expected logits {(*labels.shape, batch.ways)}, got {tuple(logits.shape)}")
        return logits.argmax(-1).cpu().numpy() == labels

    def score(self, batch: TestBatch, logits: Tensor) -> list[int]:
        """Correct queries of each episode of `batch`, from logits (B, Q, ways)."""
        return self.hits(batch, logits).sum(1).tolist()

    def measured(
        self, batch: TestBatch, logits: Tensor, measure: Callable[[np.ndarray, np.ndarray], float]
    ) -> list[float]:
        """What `measure` makes of each episode of `batch`, from its logits (Q, ways), float64, and labels (Q,)."""
        self.hits(batch, logits)  # refuses logits of another shape
        scores = logits.detach().double().cpu().numpy()
        return [float(measure(*episode)) for episode in zip(scores, self._labels[batch.number], strict=True)]

    def losses(self, batch: TestBatch, logits: Tensor) -> list[float]:
        """The mean cross-entropy of the queries of each episode of `batch`, from logits (B, Q, ways)."""
        labels = torch.from_numpy(self._labels[batch.number])
        return F.cross_entropy(logits.cpu().mT, labels, reduction="none").mean(1).tolist()
