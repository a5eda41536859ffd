"""Small stand-ins for everything that a component under test works with: encoders, learners, samples, targets."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.components.registry import offers
from benchbench.data import table
from benchbench.data.dataset import Dataset
from benchbench.data.modality import ANY, modality_named
from benchbench.data.pool import Pool
from benchbench.data.prepare import Prepared
from benchbench.data.splits import ClassSplit
from benchbench.data.table import Sample, SampleTable
from benchbench.data.table_writing import write
from benchbench.encoding.backbone import Backbone, Encode
from benchbench.encoding.sample import HIDDEN, PADDING, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench.encoding.tasks import class_means, similarity
from benchbench.episodes.batch import Episodes
from benchbench.evaluation.target import Target
from benchbench.evaluation.trained import Trained
from benchbench.rng import Rng, seeded_globals
from benchbench.training.learner import MetaLearner

CLASSES, PER_CLASS = 60, 4


class Plain(Backbone):
    """Two linear maps around a batch norm, for samples of any shape."""

    dim = 8

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.first, self.norm = nn.Linear(prod(sample.shape), 16), nn.BatchNorm1d(16)
        self.last = nn.Linear(16, self.dim)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, 8)."""
        return self.last(self.norm(self.first(x.flatten(1))).relu())


class Patches(Backbone):
    """One convolution of 4 x 4 patches: feature maps and tokens."""

    dim, patch = 8, 4
    provides = frozenset({"feature_maps", "tokens"})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.convolution = nn.Conv2d(sample.shape[0], self.dim, self.patch, self.patch)

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """The patches' features, (N, 8, H / 4, W / 4)."""
        edge = (0, -x.shape[-1] % self.patch, 0, -x.shape[-2] % self.patch)
        return {self.patch: self.convolution(F.pad(x, edge))}

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """The same as (N, T, 8), or only those at `keep` (N, K)."""
        tokens = self.feature_maps(x)[self.patch].flatten(2).mT
        return tokens if keep is None else tokens.gather(1, keep.unsqueeze(-1).expand(-1, -1, self.dim))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, 8)."""
        return self.tokens(x).mean(1)


class Mapped(Backbone):
    """One linear map of the flat sample."""

    dim = 8
    provides = frozenset({"linear"})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.map = nn.Linear(prod(sample.shape), self.dim)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) -> (N, 8)."""
        return self.map(x.flatten(1))


class Bag(Backbone):
    """The mean of embedded ids."""

    dim = 8
    provides = frozenset({"positions"})
    modalities = frozenset({ANY})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        self.embedded = nn.Embedding(len(sample.vocabulary), self.dim)
        self.last = nn.Linear(self.dim, self.dim)

    def positions(self, x: Tensor) -> Tensor:
        """The features of each id, (N, T, 8)."""
        return self.last(self.embedded(x).tanh())

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) -> (N, 8)."""
        held = (x != PADDING).unsqueeze(-1).to(self.embedded.weight.dtype)
        return (self.positions(x) * held).sum(1) / held.sum(1).clamp(min=1)


class Scored(Backbone):
    """The sum of the scores of ids."""

    dim = 1
    provides = frozenset({"scores"})
    modalities = frozenset({ANY})

    def __init__(self, sample: SampleSpec):
        super().__init__()
        assert sample.vocabulary is not None
        self.scores = nn.Embedding(len(sample.vocabulary), 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) -> (N, 1)."""
        return (self.scores(x) * (x > HIDDEN).unsqueeze(-1)).sum(1)


class Means(MetaLearner):
    """The nearest class mean."""

    frozen_features = True

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Negative squared distances (B, Q, ways)."""
        features = self.encode(episodes.all_x, support=episodes.shots)
        means = class_means(features[:, : episodes.shots], episodes.support_y, episodes.ways)
        return similarity(features[:, episodes.shots :], means)


def encoder_for(sample: SampleSpec, requires: frozenset[str] = frozenset(), seed: int = 0) -> Backbone | None:
    """A stand-in encoder that provides what is required; None if there is none."""
    kinds: tuple[type[Any], ...] = (Bag, Scored) if sample.vocabulary else (Plain, Patches, Mapped)
    for kind in kinds:
        if requires <= kind.provides and (kind is not Patches or len(sample.shape) == 3):
            with seeded_globals(Rng("conformance", "encoder", seed)):
                made = convert_norm(kind(sample))
            assert isinstance(made, Backbone)
            return made
    return None


def rows_of(sample: SampleSpec, classes: int = CLASSES, per_class: int = PER_CLASS) -> np.ndarray:
    """Rows of a table (classes * per_class, *shape) that stand in for samples of a specification."""
    if sample.vocabulary:
        return id_samples(sample.shape[0], len(sample.vocabulary), classes, per_class)
    x = uint8_samples(sample.shape, classes, per_class)
    return (x / 128 - 1).astype(np.float32) if modality_storage(sample) == "float32" else x


def modality_storage(sample: SampleSpec) -> str:
    """What tables of a specification's modality hold; bytes if it is not installed."""
    installed = {offer.name for offer in offers("modality")}
    return modality_named(sample.modality).storage if sample.modality in installed else "uint8"


def id_samples(length: int, tokens: int, classes: int, per_class: int) -> np.ndarray:
    """Ids uint16 (classes * per_class, length): of each class two tokens of its own among others, the n-th as common as
    1 / (n + 2), in samples of several lengths. The last id occurs."""
    state = np.random.RandomState(0)
    common = 1 / (np.arange(tokens - HIDDEN - 1) + 2)
    x = HIDDEN + 1 + state.choice(len(common), (classes, per_class, length), p=common / common.sum())
    own = np.stack([np.arange(classes), 7 * np.arange(classes) + 3], 1) % (tokens - HIDDEN - 1) + HIDDEN + 1
    x[:, :, :2] = own[:, None]
    ends = state.randint(max(2, length // 2), length + 1, (classes, per_class, 1))
    x = np.where(np.arange(length) < ends, x, PADDING)
    x[0, 0, 0] = tokens - 1
    return x.astype(np.uint16).reshape(-1, length)


def uint8_samples(shape: tuple[int, ...], classes: int = CLASSES, per_class: int = PER_CLASS) -> np.ndarray:
    """Samples uint8 (classes * per_class, *shape): a slope that tells all rotations and positions apart, a pattern per
    class, and noise."""
    state = np.random.RandomState(0)
    slope = np.linspace(0, 120, prod(shape)).reshape(shape)
    pattern = state.uniform(0, 80, (classes, 1, *shape))
    x = slope + pattern + state.uniform(0, 40, (classes, per_class, *shape))
    return x.astype(np.uint8).reshape(-1, *shape)


def pool_of(sample: SampleSpec, *, labelled: bool, device: torch.device | str = "cpu") -> Pool:
    """A pool of 240 samples, of ids 1,200, of 60 classes; with labels only if `labelled`."""
    # Of ids more, so that some are neither rare nor common.
    per_class = 5 * PER_CLASS if sample.vocabulary else PER_CLASS
    x = rows_of(sample, per_class=per_class)
    labels = np.repeat(np.arange(CLASSES), per_class)
    tokens = sample.vocabulary.texts if sample.vocabulary else ()
    held = SampleTable(x, labels, tuple(map(str, range(CLASSES))), "", "", tokens=tokens)
    split = ClassSplit(train=tuple(range(CLASSES)))
    return Pool.of(held, split, "train", name="the samples", labelled=labelled, device=device)


def embedding(encoder: Backbone) -> Encode:
    """What `prepare` embeds with: the encoder in evaluation mode, without gradients."""

    @torch.no_grad()
    def embed(x: Tensor) -> Tensor:
        training = encoder.training
        features = encoder.eval()(x)
        encoder.train(training)
        return features

    return embed


class _Held(Dataset):
    """A dataset that stands in for that of a target's samples."""

    licence = "none"
    object_names = ("thing",)

    def __init__(self, modality: str):
        self.modality = modality

    def sources(self, root: Path | None) -> list[Path]:
        """Empty: it is read from no files."""
        return []

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))


def prepared_of(sample: SampleSpec, *, ordered: bool = False) -> Prepared:
    """Ten classes of 24 samples, each with a box and a mask of the same corner; if `ordered`, five sources of two
    ordered classes."""
    x = rows_of(sample, 10, 24)
    labels = np.repeat(np.arange(10), 24)
    names = tuple(map(str, range(10)))
    tokens = sample.vocabulary.texts if sample.vocabulary else ()
    held = SampleTable(x, labels, names, "held", "held", tokens=tokens)
    if len(sample.shape) == 3:
        box = np.array([[0, 2, 2, 10, 10]], np.float32)
        masks = np.zeros((len(x), *sample.shape[1:]), np.uint8)
        masks[:, 2:10, 2:10] = 1
        held = replace(held, boxes=[box] * len(x), masks=masks)
    dataset = _Held(sample.modality)
    split = dataset.split(held)
    if ordered:
        split = ClassSplit.joined([ClassSplit(test=(c, c + 1), ordered=True) for c in range(0, 10, 2)])
    return Prepared("held", dataset, held, split)


def target_of(sample: SampleSpec) -> Target:
    """A target of these samples."""
    return Target(prepared_of(sample), sample)


def trained_of(sample: SampleSpec, requires: frozenset[str]) -> Trained | None:
    """An encoder that provides what a protocol requires, and a learner on it."""
    encoder = encoder_for(sample, requires)
    return None if encoder is None else Trained(encoder, Means(encoder), sample)


@contextmanager
def decoded(samples: Iterable[Sample], name: str, dataset: Dataset) -> Iterator[SampleTable]:
    """A table of samples in a temporary folder, as preparation makes it: they may exceed memory. Raises BenchbenchError
    if they do not fit together."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        about = write(folder, samples, name, modality_named(dataset.modality), dataset.length)
        (folder / "table.json").write_text(json.dumps({**about, "sources": ""}), "utf-8")
        yield table.read(folder)
