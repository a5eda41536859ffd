"""Scoring a trained encoder on fixed test episodes: labels stay with the target, the learner never holds them."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from benchbench.components import Backbone, MetaLearner, SampleSpec
from benchbench.data.pool import unit
from benchbench.data.prepare import Prepared
from benchbench.data.splits import class_index
from benchbench.episodes import Episodes, EpisodeShape
from benchbench.errors import BenchbenchError
from benchbench.keys import canonical
from benchbench.nn import has_norm
from benchbench.rng import Rng, seeded_globals
from benchbench.sampling.division import Amount, Division, check_division, divide, reduced
from benchbench.sampling.fixed import EpisodeIndex, check_shape, episode_set_hash, fixed_episode, stream
from benchbench.sampling.meta_dataset import VariableShape, check_variable, variable_episode
from benchbench.sampling.sources import Source, sources_of

#: Raised when fixed episodes change: it enters every cell's key. For episodes of variable shape a protocol raises its
#: own revision instead.
EPISODES_REVISION = 1
#: Tasks adapted at once: small, since their weights and graphs stay in memory together.
TASKS_AT_ONCE = 4
#: Episodes scored at once on features that are there already.
CACHED_AT_ONCE = 100
#: Images that go through an encoder together.
BATCH = 256
#: Bytes of features that a trained encoder keeps; the oldest target's go first. A target that takes more is not
#: embedded whole for its episodes, but each batch of them alone.
KEPT_FEATURES = 1 << 30
#: Images whose batch statistics stand for running averages that were never trained.
STATISTICS_IMAGES = 2048


def fit(x: Tensor, sample: SampleSpec) -> Tensor:
    """Images (N, C, H, W) as an encoder of `sample` takes them: resized bilinearly with antialiasing; a grey image is
    repeated over the channels, a colour image averaged to one."""
    channels, *size = sample.shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if list(x.shape[2:]) != size:
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True).clamp(0, 1)
    return x


@dataclass(frozen=True)
class TestBatch:
    """Episodes of a target as positions among its samples; query labels are not in it."""

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
        #: What tells its images from those of any other target.
        self.place = f"{data.fingerprint}/{data.table.pixel_hash}/{part}"
        self._labels: dict[int, np.ndarray] = {}
        self._used: np.ndarray | None = None
        self.episodes_hash: str | None = None

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        return class_index(self.data.table.labels, self.data.split.part(self.part))

    @cached_property
    def _sources(self) -> list[Source]:
        return sources_of(self._rows, self.data.split, self.part)

    def check(self, shape: EpisodeShape | VariableShape) -> None:
        """Raise BenchbenchError where it has too few classes or images for episodes of `shape`."""
        if not self._sources:
            raise BenchbenchError(f"{self.name} has no classes")
        for source in self._sources:
            if isinstance(shape, VariableShape):
                check_variable(shape, source, self.name)
            else:
                check_shape(shape, source.index, self.name, source.variants)

    def images(self, rows: np.ndarray, sample: SampleSpec | None = None) -> Tensor:
        """Samples (N, *shape) in [0, 1] as the encoder takes them, or as `sample` says."""
        return fit(unit(self.data.table.x[rows], self.device), sample or self.sample)

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
        return divide(self._key, self._rows)

    def _truth(self, rows: np.ndarray) -> np.ndarray:
        """Label (n,) of each of some rows: the place of its class in the part."""
        classes = np.array(self.data.split.part(self.part))
        order = np.argsort(classes)
        return order[np.searchsorted(classes, self.data.table.labels[rows], sorter=order)]

    def check_parts(self, amount: Amount | None = None) -> None:
        """Raise BenchbenchError where its images are too few to be divided, or for `amount` of them."""
        check_division(amount or Amount(), self._rows, self.name)

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
        """Its fit, select and test parts (`benchbench.sampling.division`), the former two as far as `amount` allows:
        the same for every method, seed and machine. The test part has no labels."""
        self.check_parts(amount)
        self.episodes_hash = self._whole.digest
        return reduced(self._key, self._whole, amount or Amount(), draw)

    def score_images(self, rows: np.ndarray, predictions: Tensor | np.ndarray) -> list[int]:
        """1 for each of `rows` whose class is predicted, else 0; predictions (n,) int."""
        predicted = np.asarray(predictions.cpu() if isinstance(predictions, Tensor) else predictions)
        if predicted.shape != rows.shape:
            raise ValueError(f"expected predictions {rows.shape}, got {predicted.shape}")
        return (self._truth(rows) == predicted).astype(int).tolist()

    # Annotated parts

    def check_annotated(self, what: str, shots: int | None) -> None:
        """Raise BenchbenchError where it has no ``boxes`` or ``masks``, or fewer than `shots` images to fit on."""
        if getattr(self.data.table, what) is None:
            raise BenchbenchError(f"{self.name} has no {what}: its images are not annotated with them")
        self.check_parts(Amount(shots=shots))

    def scenes(self, rows: np.ndarray) -> Tensor:
        """Images (N, C, H, W) in [0, 1] at their own size, with the channels that the encoder takes."""
        height, width = self.data.table.shape[1:]
        return self.images(rows, SampleSpec("image", (self.sample.shape[0], height, width)))

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
        """What `measure` makes of the ``boxes`` or ``masks`` of test images, whose predictions it must hold already."""
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
        return [fixed_episode(key, i, shape, source.index, source.variants) for i, source in enumerate(sources)]

    def episodes(self, shape: EpisodeShape | VariableShape, count: int) -> Iterator[TestBatch]:
        """`count` fixed episodes in batches; those of variable shape one by one."""
        drawn = self.drawn(shape, count)
        self.episodes_hash = episode_set_hash(drawn)
        at_once = CACHED_AT_ONCE
        if isinstance(shape, VariableShape):
            at_once = 1
            # A large target is not embedded whole: its episodes touch a small part of it.
            self._used = np.unique(np.concatenate([rows for e in drawn for rows in (e.support, e.query)]))
        for start in range(0, count, at_once):
            yield self._batch(start, drawn[start : start + at_once])

    def _batch(self, number: int, part: list[EpisodeIndex]) -> TestBatch:
        self._labels[number] = np.stack([e.query_y for e in part])
        return TestBatch(
            self,
            number,
            torch.from_numpy(np.stack([e.support for e in part])),
            torch.from_numpy(np.stack([e.support_y for e in part])),
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

    def losses(self, batch: TestBatch, logits: Tensor) -> list[float]:
        """The mean cross-entropy of the queries of each episode of `batch`, from logits (B, Q, ways)."""
        labels = torch.from_numpy(self._labels[batch.number])
        return F.cross_entropy(logits.cpu().mT, labels, reduction="none").mean(1).tolist()


class Trained:
    """An encoder and its learner, ready to be scored or used."""

    def __init__(self, encoder: Backbone, learner: MetaLearner, sample: SampleSpec, device: str = "cpu"):
        self.encoder = encoder.eval()
        self.learner = learner.eval()
        self.sample = sample
        self.device = torch.device(device)
        #: How often the learner has adapted to episodes: only that makes a score depend on other queries.
        self.adaptations = 0
        self._features: dict[str, Tensor] = {}
        self._encoders: dict[str, Backbone] = {}

    @property
    def transductive(self) -> bool:
        """Whether a query's score by the learner's own adaptation may depend on the other queries: as the learner
        declares, or through batch statistics. Protocols that score `features`, or tune `encoder_for`, never ask."""
        return self.learner.transductive or (has_norm(self.encoder) and self.learner.test_norm in ("call", "episode"))

    @torch.no_grad()
    def embed(self, x: Tensor, batch_size: int = BATCH) -> Tensor:
        """Images (N, C, H, W) in [0, 1] of any size -> features (N, dim), with running batch-norm statistics."""
        x = fit(x.to(self.device), self.sample)
        return torch.cat([self.encoder(part) for part in x.split(batch_size)])

    def encoder_for(self, target: Target) -> Backbone:
        """The encoder as protocols on a target's parts see it, in evaluation mode; copy it before training it.

        It is the encoder itself where its learner is tested with running statistics. Else training never moved these
        (MAML's adapted forwards), and a copy has the statistics of images of the target's fit part (Li et al. 2016,
        arXiv 1603.04779), so that no test image bears on another.
        """
        if self.learner.test_norm == "running" or not has_norm(self.encoder):
            return self.encoder
        if target.place not in self._encoders:
            rows = np.sort(target.division().fit.rows)
            rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), STATISTICS_IMAGES)).astype(int)]
            self._encoders[target.place] = restated(self.encoder, [target.images(r) for r in _chunks(rows)])
        return self._encoders[target.place]

    def features(self, target: Target, rows: np.ndarray) -> Tensor:
        """Features (n, dim) of some of a target's images. All of its parts are encoded at the first call, whatever the
        protocol, and kept for the next ones."""
        held = self._kept(target, target.pool, self.encoder_for(target))
        return held[torch.from_numpy(np.searchsorted(target.pool, rows)).to(self.device)]

    @torch.no_grad()
    def _kept(self, target: Target, rows: np.ndarray, encoder: Backbone) -> Tensor:
        """Features of exactly `rows`, ascending: a function of these alone, whatever was encoded before."""
        digest = hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
        key = f"{target.place}/{digest}/{'own' if encoder is self.encoder else 'restated'}"
        if key not in self._features:
            self._features[key] = torch.cat([encoder(target.images(chunk)) for chunk in _chunks(rows)])
            while len(self._features) > 1 and sum(f.nbytes for f in self._features.values()) > KEPT_FEATURES:
                del self._features[next(iter(self._features))]
        return self._features[key]

    def logits(self, batch: TestBatch, rng: Rng) -> Tensor:
        """Adapt to each support set of `batch` and score its queries: (B, Q, ways)."""
        target = batch.target
        if self.learner.frozen_features and (self.learner.test_norm == "running" or not has_norm(self.encoder)):
            return self._cached_logits(batch, rng)
        parts = []
        for i in range(0, len(batch), TASKS_AT_ONCE):
            support, query = batch.support[i : i + TASKS_AT_ONCE], batch.query[i : i + TASKS_AT_ONCE]
            x = target.images(torch.cat([support, query], 1).flatten().numpy()).unflatten(0, (len(support), -1))
            shots = support.shape[1]
            labels = batch.support_y[i : i + TASKS_AT_ONCE].to(self.device)
            parts.append(
                self._adapt(Episodes(x[:, :shots], labels, x[:, shots:], None, batch.ways), rng.child(batch.number, i))
            )
        return torch.cat(parts)

    def _cached_logits(self, batch: TestBatch, rng: Rng) -> Tensor:
        target, used = batch.target, batch.target.used
        if len(used) * self.encoder.dim * torch.finfo(torch.get_default_dtype()).bits // 8 > KEPT_FEATURES:
            used = np.unique(torch.cat([batch.support, batch.query], 1).numpy())
        features = self._kept(target, used, self.encoder)
        support, query = (
            features[torch.from_numpy(np.searchsorted(used, rows.numpy())).to(self.device)]
            for rows in (batch.support, batch.query)
        )
        episodes = Episodes(support, batch.support_y.to(self.device), query, None, batch.ways)
        with self.learner.precomputed():
            return self._adapt(episodes, rng.child(batch.number))

    def accuracies(self, episodes: Iterable[Episodes], rng: Rng) -> Iterator[float]:
        """The share of correct queries of each episode of batches that come from elsewhere than a `Target`."""
        for number, batch in enumerate(episodes):
            labels = batch.labels()
            order = torch.from_numpy(rng.child(number, "order").numpy.permutation(labels.shape[1]))
            seen = replace(batch, query_x=batch.query_x[:, order], query_y=None)
            logits = self._adapt(_fitted(seen, self.sample, self.device), rng.child(number))
            yield from (logits.argmax(-1).cpu() == labels[:, order]).double().mean(1).tolist()

    def _adapt(self, episodes: Episodes, rng: Rng) -> Tensor:
        self.adaptations += 1
        with torch.no_grad(), seeded_globals(rng, self.device):
            return self.learner.logits(episodes, rng).detach()


@torch.no_grad()
def restated(encoder: Backbone, batches: list[Tensor]) -> Backbone:
    """A copy of an encoder whose running statistics are the averages over `batches` of images (N, *shape)."""
    made = copy.deepcopy(encoder)
    with seeded_globals(Rng("statistics"), batches[0].device):
        update_bn(batches, made)
    return made.eval()


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]


def _fitted(episodes: Episodes, sample: SampleSpec, device: torch.device) -> Episodes:
    """Episodes as an encoder of `sample` takes them."""
    support, query = (
        fit(x.flatten(0, 1).to(device), sample).unflatten(0, x.shape[:2])
        for x in (episodes.support_x, episodes.query_x)
    )
    return replace(episodes, support_x=support, support_y=episodes.support_y.to(device), query_x=query)
