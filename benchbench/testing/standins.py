"""Small stand-ins for everything that a component under test works with: encoders, learners, samples, targets."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.data import table
from benchbench.data.dataset import Dataset
from benchbench.data.pool import Pool
from benchbench.data.prepare import Prepared
from benchbench.data.splits import ClassSplit
from benchbench.data.table import Sample, SampleTable
from benchbench.encoding.backbone import Backbone, Encode, SampleSpec
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
    for kind in (Plain, Patches, Mapped):
        if requires <= kind.provides and (kind is not Patches or len(sample.shape) == 3):
            with seeded_globals(Rng("conformance", "encoder", seed)):
                made = convert_norm(kind(sample))
            assert isinstance(made, Backbone)
            return made
    return None


def uint8_samples(shape: tuple[int, ...], classes: int = CLASSES, per_class: int = PER_CLASS) -> np.ndarray:
    """Samples uint8 (classes * per_class, *shape): a slope that tells all rotations and positions apart, a pattern per
    class, and noise."""
    state = np.random.RandomState(0)
    slope = np.linspace(0, 120, prod(shape)).reshape(shape)
    pattern = state.uniform(0, 80, (classes, 1, *shape))
    x = slope + pattern + state.uniform(0, 40, (classes, per_class, *shape))
    return x.astype(np.uint8).reshape(-1, *shape)


def pool_of(sample: SampleSpec, *, labelled: bool, device: torch.device | str = "cpu") -> Pool:
    """A pool of 240 samples of 60 classes; with labels only if `labelled`."""
    x = uint8_samples(sample.shape)
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    held = SampleTable(x, labels, tuple(map(str, range(CLASSES))), "", "")
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

    def sources(self, root: Path | None) -> list[Path]:
        """Empty: it is read from no files."""
        return []

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))


def prepared_of(sample: SampleSpec) -> Prepared:
    """Ten classes of 24 samples, each with a box and a mask of the same corner."""
    x = uint8_samples(sample.shape, 10, 24)
    labels = np.repeat(np.arange(10), 24)
    box = np.array([[0, 2, 2, 10, 10]], np.float32)
    masks = np.zeros((len(x), *sample.shape[1:]), np.uint8)
    masks[:, 2:10, 2:10] = 1
    names = tuple(map(str, range(10)))
    held = SampleTable(x, labels, names, "held", "held", boxes=[box] * len(x), masks=masks)
    dataset = _Held()
    return Prepared("held", dataset, held, dataset.split(held))


def target_of(sample: SampleSpec) -> Target:
    """A target of these samples."""
    return Target(prepared_of(sample), sample)


def trained_of(sample: SampleSpec, requires: frozenset[str]) -> Trained | None:
    """An encoder that provides what a protocol requires, and a learner on it."""
    encoder = encoder_for(sample, requires)
    return None if encoder is None else Trained(encoder, Means(encoder), sample)


@contextmanager
def decoded(samples: Iterable[Sample], name: str) -> Iterator[SampleTable]:
    """A table of samples in a temporary folder, as preparation makes it: they may exceed memory. Raises BenchbenchError
    if they do not fit together."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        about = table.write(folder, samples, name)
        (folder / "table.json").write_text(json.dumps({**about, "sources": ""}), "utf-8")
        yield table.read(folder)
