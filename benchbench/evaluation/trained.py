"""A trained encoder with its learner, as protocols use it."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from benchbench.data.modality import modality_named
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.encoding.task_norm import has_norm
from benchbench.episodes.batch import Episodes
from benchbench.episodes.fixed import stream
from benchbench.evaluation.feature_files import FeatureFiles
from benchbench.evaluation.independence import check_alone, depends_on_queries
from benchbench.evaluation.target import Target, TestBatch
from benchbench.rng import Rng, seeded_globals
from benchbench.training.learner import MetaLearner

#: Tasks adapted at once: small, since their weights and graphs stay in memory together.
TASKS_AT_ONCE = 4
#: Samples that go through an encoder together.
BATCH = 256
#: Bytes of features that a trained encoder keeps; the oldest go first. A target that takes more is not embedded in full
#: for its episodes: each batch of them is embedded on its own.
KEPT_FEATURES = 1 << 30
#: Samples whose batch statistics stand in for running averages that were never trained.
STATISTICS_SAMPLES = 2048
#: Samples that an encoder is tried on before it is used, and how many of a larger set are encoded alone as well.
TRIED, ALONE = 4, 3


class Trained:
    """An encoder and its learner, ready to be scored or used. With `files` the encoder's features are kept there, for
    others with the same one."""

    def __init__(
        self,
        encoder: Backbone,
        learner: MetaLearner,
        sample: SampleSpec,
        device: str = "cpu",
        files: FeatureFiles | None = None,
    ):
        self.encoder = encoder.eval()
        self.learner = learner.eval()
        self.sample = sample
        self.device = torch.device(device)
        self.files = files
        #: How often the learner has adapted to episodes: only adapting can make a score depend on other queries.
        self.adaptations = 0
        #: How often an episode's scores changed with its other queries, though nothing declares that they may.
        self.dependences = 0
        self._features: dict[str, Tensor] = {}
        self._encoders: dict[str, Backbone] = {}
        self._tried: set[tuple[str, bool]] = set()

    @property
    def transductive(self) -> bool:
        """Whether a query's score by the learner's own adaptation may depend on the other queries, as the learner
        declares or through batch statistics. Irrelevant to protocols that score `features` or tune `encoder_for`."""
        return self.learner.transductive or (has_norm(self.encoder) and self.learner.test_norm in ("call", "episode"))

    @property
    def _running(self) -> bool:
        """Whether the learner is tested with running statistics, or has no others."""
        return self.learner.test_norm == "running" or not has_norm(self.encoder)

    def embed(self, x: Tensor | Sequence[Any], batch_size: int = BATCH) -> Tensor:
        """Samples -> features (N, dim), with running batch-norm statistics: images (N, C, H, W) in [0, 1] of any size,
        ids (N, T) of the encoder's vocabulary, or a list of texts. Raises BenchbenchError if features depend on the
        batch."""
        x = as_taken(x, self.sample, self.device)
        return encoded(self.encoder, len(x), lambda at: x[torch.from_numpy(at).to(x.device)], "embed", batch_size)

    def encoder_for(self, target: Target) -> Backbone:
        """The encoder as protocols on a target's parts see it, in evaluation mode; copy it before training it.

        It is the encoder itself if its learner is tested with running statistics. Otherwise training never moved these
        (MAML's adapted forwards), and a copy takes its statistics from samples of the target's fit part (Li et al.
        2016, arXiv 1603.04779), so that no test sample affects another. Raises BenchbenchError if its features depend
        on the batch.
        """
        if self._running:
            return self._sound(self.encoder, target)
        if target.place not in self._encoders:
            rows = target.division().fit.rows[:STATISTICS_SAMPLES]
            chunks = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
            self._encoders[target.place] = restated(self.encoder, [target.samples(chunk) for chunk in chunks])
        return self._sound(self._encoders[target.place], target)

    @torch.no_grad()
    def _sound(self, encoder: Backbone, target: Target) -> Backbone:
        """The encoder, tried once on a handful of a target's samples. Raises BenchbenchError if its features depend on
        the batch."""
        tried = target.place, encoder is self.encoder
        if tried not in self._tried:
            x = target.samples(target.used[np.linspace(0, len(target.used) - 1, TRIED).astype(int)])
            check_alone(encoder, x[:: TRIED - 1], encoder(x)[:: TRIED - 1])
            self._tried.add(tried)
        return encoder

    def features(self, target: Target, rows: np.ndarray) -> Tensor:
        """Features (n, dim) of some of a target's samples. All its parts are encoded on the first call, whatever the
        protocol, and kept for later ones."""
        held = self._kept(target, target.pool, self.encoder_for(target))
        return held[torch.from_numpy(np.searchsorted(target.pool, rows)).to(self.device)]

    def _kept(self, target: Target, rows: np.ndarray, encoder: Backbone) -> Tensor:
        """Features of exactly `rows`, ascending: they depend only on these, whatever was encoded before."""
        digest = hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
        key = f"{target.place}/{digest}/{'own' if encoder is self.encoder else 'restated'}"
        if key not in self._features:

            def make() -> Tensor:
                return encoded(encoder, len(rows), lambda at: target.samples(rows[at]), key)

            own = self.files if encoder is self.encoder else None
            self._features[key] = own.features(key, make).to(self.device) if own else make()
            while len(self._features) > 1 and sum(f.nbytes for f in self._features.values()) > KEPT_FEATURES:
                del self._features[next(iter(self._features))]
        return self._features[key]

    def logits(self, batch: TestBatch, rng: Rng) -> Tensor:
        """Adapt to each support set of `batch` and score its queries: (B, Q, ways). Raises BenchbenchError if running
        statistics, or no norm, leave features that depend on the batch."""
        target = batch.target
        if self._running:
            if self.learner.frozen_features:
                return self._cached_logits(batch, rng)
            self._sound(self.encoder, target)
        parts = []
        for i in range(0, len(batch), TASKS_AT_ONCE):
            support, query = batch.support[i : i + TASKS_AT_ONCE], batch.query[i : i + TASKS_AT_ONCE]
            x = target.samples(torch.cat([support, query], 1).flatten().numpy()).unflatten(0, (len(support), -1))
            shots = support.shape[1]
            labels = batch.support_y[i : i + TASKS_AT_ONCE].to(self.device)
            episodes = Episodes(x[:, :shots], labels, x[:, shots:], None, batch.ways)
            parts.append(self._adapt(episodes, rng.child(batch.number, i), watched=batch.number == i == 0))
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
            return self._adapt(episodes, rng.child(batch.number), watched=batch.number == 0)

    def accuracies(self, episodes: Iterable[Episodes], rng: Rng) -> Iterator[float]:
        """The share of correct queries in each episode, for batches that do not come from a `Target`."""
        for number, batch in enumerate(episodes):
            seen = batch.shuffled(rng.child(number, "order"))
            logits = self._adapt(self._fitted(seen.withheld()), rng.child(number))
            yield from (logits.argmax(-1).cpu() == seen.labels()).double().mean(1).tolist()

    def _fitted(self, episodes: Episodes) -> Episodes:
        """Episodes of samples that come from no `Target` as the encoder takes them."""
        support, query = (
            as_taken(x.flatten(0, 1), self.sample, self.device).unflatten(0, x.shape[:2])
            for x in (episodes.support_x, episodes.query_x)
        )
        return replace(episodes, support_x=support, support_y=episodes.support_y.to(self.device), query_x=query)

    def _adapt(self, episodes: Episodes, rng: Rng, *, watched: bool = False) -> Tensor:
        """Scores of the queries (B, Q, ways). If `watched`, what the first task's depend on is measured: once a target,
        on the same task whatever was scored before."""
        if watched and not self.transductive:
            self.dependences += depends_on_queries(self.learner, episodes.chunks(1)[0], rng)
        self.adaptations += 1
        with torch.no_grad(), seeded_globals(rng, self.device):
            return self.learner.logits(episodes, rng).detach()


def as_taken(x: Tensor | Sequence[Any], sample: SampleSpec, device: torch.device) -> Tensor:
    """A user's samples, as tensors (N, *shape) or in the form that people have them, as an encoder of `sample` takes
    them."""
    modality = modality_named(sample.modality)
    if not isinstance(x, Tensor):
        return modality.parse(x, sample).to(device)
    return modality.fit(x.to(device), replace(sample, shape=tuple(x.shape[1:])), sample)


@torch.no_grad()
def restated(encoder: Backbone, batches: list[Tensor]) -> Backbone:
    """A copy of an encoder whose running statistics are the averages over `batches` of samples (N, *shape)."""
    made = copy.deepcopy(encoder)
    with seeded_globals(Rng("statistics"), batches[0].device):
        update_bn(batches, made)
    return made.eval()


@torch.no_grad()
def encoded(
    encoder: Backbone, count: int, samples: Callable[[np.ndarray], Tensor], key: str, batch_size: int = BATCH
) -> Tensor:
    """Features (count, dim) of what `samples` gives at places (n,) below `count`.

    Batches are drawn at random, by `key` alone: rows stand class by class, and an encoder that looks at neighbours
    would read labels there. Raises BenchbenchError if the features of the first, middle or last sample depend on the
    batch.
    """
    order = stream(key, "encoding order").permutation(count)
    drawn = torch.cat([encoder(samples(order[i : i + batch_size])) for i in range(0, max(count, 1), batch_size)])
    if count > 1:
        some = np.linspace(0, count - 1, ALONE).astype(int)
        check_alone(encoder, samples(order[some]), drawn[torch.from_numpy(some).to(drawn.device)])
    features = torch.empty_like(drawn)
    features[torch.from_numpy(order).to(drawn.device)] = drawn
    return features
