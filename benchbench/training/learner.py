"""The contract of meta-algorithms."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from benchbench.encoding.backbone import Backbone, Encode
from benchbench.encoding.task_norm import NormMode
from benchbench.encoding.tasks import encode
from benchbench.episodes.batch import Episodes
from benchbench.rng import Rng
from benchbench.training.on_encoder import OnEncoder


class MetaLearner(OnEncoder):
    """A meta-algorithm: it adapts to a support set and scores queries.

    `train_norm` and `test_norm` say which samples a batch norm averages over (`benchbench.encoding.task_norm`).
    """

    kind = "meta"
    #: What the backbone must provide (`benchbench.Backbone.provides`).
    requires: ClassVar[frozenset[str]] = frozenset()
    #: No meta-training, only adaptation at test (nearest-centroid): used after a plain objective.
    adapter_only: ClassVar[bool] = False
    #: It adapts on top of features and never changes the encoder, so features may be computed once per sample.
    #: It must reach the encoder only through `self.encode`.
    frozen_features: ClassVar[bool] = False
    #: It adapts to the support set. Where not, it is a floor: what queries give by themselves.
    uses_support: ClassVar[bool] = True
    #: Settings that bear on scores alone, never on what is trained: trainings that differ only in them are one, whose
    #: checkpoint is scored with each.
    test_settings: ClassVar[frozenset[str]] = frozenset({"test_norm"})
    #: Gradient steps on each support set at test, or passes over it if it is taken in mini-batches; 0 without gradient
    #: descent. The record holds it. If it is not 0, `logits` takes as many as it says at the time (protocol
    #: ``adaptation`` varies it), and none if it is set to 0.
    adaptation_steps: int = 0
    #: A query's score may depend on the other queries of its task, beyond the batch statistics that `test_norm` states:
    #: records of its scores then say so, and it is compared with others that are transductive.
    transductive: bool = False
    #: It offers `adapt_to`, which the ``meta-pretext`` regimes need; a setting may take that away.
    adapts_to_any_loss: bool = False
    #: Its outer step is the training optimiser's, along ``.grad``, so another loss may be added to its own: regime
    #: ``auxiliary`` needs this.
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

    def encode(
        self,
        x: Tensor,
        *,
        params: Mapping[str, Tensor] | None = None,
        support: int | None = None,
        positions: bool = False,
    ) -> Tensor:
        """Features of B tasks, (B, n, *shape) -> (B, n, dim), under the mode in force; see `benchbench.encode`."""
        if self._precomputed:
            return x
        return encode(self.encoder, x, params=params, support=support, norm=self.norm, positions=positions)

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

        In training the result is differentiable through the adaptation. Leaves the learner's own state untouched. What
        stands for the encoder, before and after, has its ``positions(x)`` too if it provides them.
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
