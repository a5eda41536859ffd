"""The contract of pretext tasks."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchbench.data.pool import Pool
from benchbench.encoding.backbone import Backbone, Encode
from benchbench.encoding.sample import SampleSpec
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.rng import Rng
from benchbench.training.on_encoder import OnEncoder


@dataclass(frozen=True)
class Batch:
    """Samples for a plain objective: x (N, *shape) in [0, 1], index (N,) into the pool, y (N,) class labels, which
    only a pretext that declares `uses_labels` receives."""

    x: Tensor
    index: Tensor
    y: Tensor | None = None


class Pretext(OnEncoder):
    """A pretext task: unlabelled samples -> a plain objective, pseudo-labelled episodes, or both."""

    kind = "pretext"
    #: The samples that it is for; ``{"*"}`` for those of every modality.
    modalities: ClassVar[frozenset[str]] = frozenset({"image"})
    #: What the backbone must provide (`benchbench.Backbone.provides`).
    requires: ClassVar[frozenset[str]] = frozenset()
    #: It reads the true labels of the source; a setting may decide it.
    uses_labels: bool = False
    #: Its episodes are of the pool's true classes, which the core may also draw with varying ways and shots.
    true_classes: ClassVar[bool] = False
    #: It learns from what a class's place means in each source, so the source's classes must be ordered
    #: (`benchbench.ClassSplit`).
    needs_order: ClassVar[bool] = False
    #: `prepare` trains the encoder in closed form: a plain stage takes no steps, and no view enters a loss.
    closed_form: ClassVar[bool] = False
    #: Which objectives make sense for it: ``plain`` (`loss`), ``task`` (`task_loss`), ``episodes``. The planner drops
    #: the others and gives a reason.
    objectives: ClassVar[frozenset[str]] = frozenset({"plain", "episodes"})
    #: The most classes its episodes can have: training uses the smaller of this and the ways asked for.
    max_ways: int | None = None
    #: How many views of each sample enter `loss`, as the budget counts them.
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
        """Why it makes no sense on such samples, or None: the planner drops the pair with this reason."""
        return None

    def prepare(self, pool: Pool, embed: Encode, rng: Rng) -> None:
        """Called once before training, for clusters, queues or a head of the pool's size. `embed` maps (N, *shape) to
        features (N, dim) with the encoder as it is then: already trained on the pretext that a setting called
        `embedding` names, if there is one."""

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The plain objective on a batch: a scalar, by default the task loss of its samples."""
        return self.task_loss(self.encoder, batch.x, rng)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """L_t of the task that samples (N, *shape) make, as a function of the encoder: a differentiable scalar.

        The same samples and the same `rng` are the same task. The pretext's own parameters, such as a head, are shared
        by all tasks.
        """
        raise TypeError(f"{type(self).__name__} has no plain objective")

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """`count` pseudo-labelled tasks from a pool, with labels drawn afresh in random order for every episode."""
        raise TypeError(f"{type(self).__name__} makes no episodes")
