"""The contracts: what a plugin implements. A component's settings are the keyword-only arguments of its constructor
(`benchbench.settings`); raise its `revision` when its results change."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.data.archives import Archive
from benchbench.data.splits import ClassSplit
from benchbench.data.table import Sample, SampleTable
from benchbench.episodes import Episodes, EpisodeShape
from benchbench.functional import encode
from benchbench.nn import NormMode
from benchbench.rng import Rng

if TYPE_CHECKING:
    from benchbench.data.pool import Pool
    from benchbench.evaluation import Target, Trained


#: Samples (N, *shape) -> features (N, dim): an encoder, or an encoder under adapted weights.
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SampleSpec:
    """What one sample looks like to an encoder: its modality and shape, (C, H, W) for images in [0, 1]."""

    modality: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Batch:
    """Samples for a plain objective: x (N, *shape) in [0, 1], index (N,) into the pool, y (N,) class labels, which
    only a pretext that declares `uses_labels` receives."""

    x: Tensor
    index: Tensor
    y: Tensor | None = None


@dataclass(frozen=True)
class Progress:
    """How far a stage is: `step` of `steps` optimiser steps done, `samples` views seen."""

    step: int
    steps: int
    samples: int


@dataclass(frozen=True)
class Scores:
    """One metric, a value for each `unit` (episode or image). With a `denominator` the values are integer counts."""

    values: list[int] | list[float]
    denominator: int | None = None
    unit: str = "episode"


class Component:
    """What every kind shares."""

    revision: ClassVar[int] = 1
    #: Settings added later, and the values under which nothing changes: equal to them, they stay out of keys.
    neutral: ClassVar[Mapping[str, Any]] = {}
    #: Settings that only say where files lie: out of keys, so that the same data elsewhere are the same data.
    locators: ClassVar[frozenset[str]] = frozenset()


class Backbone(nn.Module, Component, ABC):
    """An encoder: (N, *shape) in [0, 1] -> (N, dim). It normalises its own input.

    A subclass sets `dim` and takes the sample's specification first: ``__init__(self, sample, *, width=64)``. Use
    torch's batch norms as usual: the core replaces them by `benchbench.nn.TaskNorm`. It may offer
    ``encode_tasks(x, params, *, running, support)``, a faster form of a loop over tasks with their own weights.

    `provides` names what else it has: ``feature_maps(x)``, {stride: (N, C, h, w)}; ``tokens(x, keep=None)``,
    (N, T, dim), one token for each square of `patch` pixels in reading order (a ragged edge padded below and to the
    right), of which `keep` (N, K) leaves only some in; ``linear``, one `nn.Linear` named ``map`` of the flat sample.

    One that can be given weights learned before has a setting `sha256`, their checksum or None, and sets
    `pretrained_on`: which data, with or without labels, as far as it is known. Tables show both.
    """

    dim: int
    provides: ClassVar[frozenset[str]] = frozenset()
    modalities: ClassVar[frozenset[str]] = frozenset({"image"})
    pretrained_on: str | None = None
    trainable: ClassVar[bool] = True

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x (N, *shape) in [0, 1] -> features (N, dim)."""


class _OnEncoder(nn.Module, Component):
    """A module that works on an encoder it does not own: saved, moved and counted apart from it."""

    def __init__(self, encoder: Backbone):
        super().__init__()
        self.__dict__["encoder"] = encoder
        self.encoder: Backbone

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups; by default one, of the encoder's and the module's own parameters."""
        return [{"params": [*self.encoder.parameters(), *self.parameters()]}]

    def after_step(self, progress: Progress) -> None:
        """Called after every optimiser step: moving-average targets, annealing."""


class Pretext(_OnEncoder):
    """A pretext task: unlabelled samples -> a plain objective, pseudo-labelled episodes, or both."""

    modalities: ClassVar[frozenset[str]] = frozenset({"image"})
    requires: ClassVar[frozenset[str]] = frozenset()
    uses_labels: bool = False
    #: Its episodes are the pool's true classes, which the core may also draw in varying ways and shots.
    true_classes: ClassVar[bool] = False
    #: `prepare` trains the encoder in closed form: a plain stage takes no steps, and no view enters a loss.
    closed_form: ClassVar[bool] = False
    #: Which objectives make sense for it: ``plain`` (`loss`), ``task`` (`task_loss`), ``episodes``. The planner drops
    #: the others with a reason.
    objectives: ClassVar[frozenset[str]] = frozenset({"plain", "episodes"})
    #: The most classes an episode of it can have: training ways are the smaller of this and what is asked.
    max_ways: int | None = None
    #: How many views of each sample enter `loss`: what the budget counts.
    views: int = 1

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder)
        self.sample = sample

    @property
    def task_views(self) -> int:
        """How many views of each sample enter `task_loss`: by default as many as enter `loss`."""
        return self.views

    @classmethod
    def misfit(cls, sample: SampleSpec) -> str | None:
        """Why it has no meaning on such samples, or None: the planner drops the pair with this reason."""
        return None

    def prepare(self, pool: "Pool", embed: Encode, rng: Rng) -> None:
        """Called once before training: clusters, queues, a head of the pool's size. `embed` maps (N, *shape) to
        features (N, dim) by the encoder as it stands: after the training of the pretext that a setting called
        `embedding` names, where there is one."""

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The plain objective on a batch: a scalar, by default the task loss of its samples."""
        return self.task_loss(self.encoder, batch.x, rng)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """L_t of the task of some samples (N, *shape), as a function of the encoder: a differentiable scalar.

        The same samples and the same `rng` are the same task. Parameters of its own, such as a head, are shared by
        all tasks.
        """
        raise TypeError(f"{type(self).__name__} has no plain objective")

    def episodes(self, pool: "Pool", shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """`count` pseudo-labelled tasks from a pool: labels drawn anew and in random order for every episode."""
        raise TypeError(f"{type(self).__name__} makes no episodes")


class MetaLearner(_OnEncoder):
    """A meta-algorithm: it adapts to a support set and scores queries.

    `train_norm` and `test_norm` say whose samples a batch norm averages over (`benchbench.nn`).
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    #: No meta-training, only adaptation at test (nearest-centroid): used after a plain objective.
    adapter_only: ClassVar[bool] = False
    #: It adapts on top of features and never changes the encoder: features may then be computed once a sample.
    #: It must reach the encoder through `self.encode` alone.
    frozen_features: ClassVar[bool] = False
    #: Gradient steps on each support set at test, or passes over it where it is taken in mini-batches; 0 where nothing
    #: is descended. It stands in the record. Where it is not 0, `logits` takes as many as it says at the time (protocol
    #: ``adaptation`` varies it), none at 0.
    adaptation_steps: int = 0
    #: A query's score may depend on the other queries of its task, beyond the batch statistics that `test_norm` states:
    #: records of what it scores then say so, and it is compared with others that do.
    transductive: bool = False
    #: It offers `adapt_to`: what the regimes ``meta-pretext`` need.
    adapts_to_any_loss: ClassVar[bool] = False
    #: Its outer step follows ``.grad`` by the training's optimiser, so another loss may be added to its own: what the
    #: regime ``auxiliary`` needs.
    joins_losses: ClassVar[bool] = True

    def __init__(self, encoder: Backbone, *, train_norm: NormMode = "episode", test_norm: NormMode = "running"):
        super().__init__(encoder)
        self.train_norm: NormMode = train_norm
        self.test_norm: NormMode = test_norm
        self._precomputed = False

    @property
    def norm(self) -> NormMode:
        """The mode in force: `train_norm` in training mode, else `test_norm`."""
        return self.train_norm if self.training else self.test_norm

    def encode(self, x: Tensor, *, params: Mapping[str, Tensor] | None = None, support: int | None = None) -> Tensor:
        """Features of B tasks, (B, n, *shape) -> (B, n, dim), under the mode in force; see `benchbench.encode`."""
        if self._precomputed:
            return x
        return encode(self.encoder, x, params=params, support=support, norm=self.norm)

    @contextmanager
    def precomputed(self) -> Iterator[None]:
        """Run a block in which episodes hold features instead of samples, and `encode` passes them through."""
        before, self._precomputed = self._precomputed, True
        try:
            yield
        finally:
            self._precomputed = before

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        """Adapt to each support set and score its queries: (B, Q, ways). Leaves the learner's own state untouched."""
        raise NotImplementedError

    def adapt_to(self, loss: Callable[[Encode], Tensor]) -> Encode:
        """The encoder adapted to one task, given as its loss: a function of the encoder that returns a scalar.

        In training the result is differentiable through the adaptation. Leaves the learner's own state untouched.
        """
        raise NotImplementedError

    def loss(self, episodes: Episodes, rng: Rng) -> tuple[Tensor, Tensor]:
        """The meta-objective: the scalar mean cross-entropy over queries, and the logits it came from."""
        logits = self.logits(episodes, rng)
        return F.cross_entropy(logits.flatten(0, 1), episodes.labels().flatten()), logits

    def backward(self, episodes: Episodes, rng: Rng, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the gradient of `weight` times the loss to ``.grad``; returns loss and logits, detached."""
        loss, logits = self.loss(episodes, rng)
        (weight * loss).backward()
        return loss.detach(), logits.detach()


class Dataset(Component, ABC):
    """A source of labelled samples, decoded once by the core into a memory-mapped table.

    It offers `samples` alone, or `items` and `decode`: the latter can then run in several processes.
    """

    modality: ClassVar[str] = "image"
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    homepage: ClassVar[str] = ""
    #: Which files it reads and where, in words; empty where it needs none.
    expects: ClassVar[str] = ""
    #: What ``benchbench data prepare NAME --download`` fetches into the data folder.
    archives: ClassVar[tuple[Archive, ...]] = ()
    #: What boxes and masks of its samples are of, where it has any.
    object_names: tuple[str, ...] = ()

    @abstractmethod
    def sources(self, root: Path | None) -> list[Path]:
        """The files it is read from; their bytes make its fingerprint. `root` is ``BENCHBENCH_DATA``, or None.

        Raises DataMissing with what to put where.
        """

    def split_sources(self, root: Path | None) -> list[Path]:
        """The files that only `split` reads: watched for changes, while the split itself enters the fingerprint."""
        return []

    def items(self, root: Path | None) -> Sequence[Any]:
        """What `decode` makes samples of, in a stable order: small values that can be sent to another process."""
        raise NotImplementedError

    def decode(self, item: Any) -> Iterable[Sample]:
        """The samples of one item: one, or several that share a file."""
        raise NotImplementedError

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every sample, decoded, in a stable order; class names with ``/`` make the class tree."""
        for item in self.items(root):
            yield from self.decode(item)

    @abstractmethod
    def split(self, table: SampleTable) -> ClassSplit:
        """Which classes are for training, validation and test; the parts never share a class."""


class Protocol(Component, ABC):
    """How a trained encoder is scored on a target."""

    requires: ClassVar[frozenset[str]] = frozenset()
    #: Whether ``higher``, ``lower`` or ``none`` is better; ``higher`` for what tables show: ``accuracy``, else the
    #: first name. ``loss`` declares ``loss@1``, ``loss@2`` and so on.
    metrics: ClassVar[Mapping[str, str]] = {"accuracy": "higher"}

    def check(self, target: "Target") -> None:
        """Raise BenchbenchError where a target cannot be scored under these settings; asked before anything runs."""

    @abstractmethod
    def evaluate(self, trained: "Trained", target: "Target", rng: Rng) -> dict[str, Scores]:
        """Scores by metric, one value for each episode or image, never only a mean."""


class Executor(Component, ABC):
    """Runs jobs, each one training and its evaluations; see `benchbench.execution`."""

    @abstractmethod
    def run(self, jobs: list[Any], report: Callable[[Any], None]) -> None:
        """Run every job; `report` receives its events in this process as they come."""
