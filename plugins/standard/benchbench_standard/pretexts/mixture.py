from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, inf
from typing import cast

import torch
from torch import Tensor, nn

from benchbench import (
    Backbone,
    Batch,
    BenchbenchError,
    Encode,
    Episodes,
    EpisodeShape,
    Pool,
    Pretext,
    Progress,
    Rng,
    SampleSpec,
    component_ref,
)


class Mixture(Pretext):
    """A distribution p(t) over pretexts t, as in meta-learning over tasks of many kinds: every episode draws its
    pretext from p; the plain objective is the expectation over it, sum_t p(t) L_t(x), on one batch.

    Its training ways are those that every part can make. Source: own.
    """

    modalities = frozenset({"*"})
    objectives = frozenset({"plain", "task", "episodes"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        parts: Sequence[component_ref("pretext")] = ("rotation", "jigsaw", "contrastive"),  # type: ignore[valid-type]
        weights: list[float] | None = None,
    ):
        """`weights` are in proportion to p(t), one a part; without them all parts are equally likely."""
        super().__init__(encoder, sample)
        given = weights if weights is not None else [1.0] * len(parts)
        if not parts or len(given) != len(parts):
            raise BenchbenchError(f"pretext mixture: {len(given)} weights for {len(parts)} parts: give each part one")
        if not all(0 < weight < inf for weight in given):
            raise BenchbenchError(f"pretext mixture: weights must be positive and finite, got {given}")
        for part in parts:
            if "embedding" in part.settings:
                raise BenchbenchError(f"pretext mixture: {part.name} follows another's training and can be no part")
        self.weights = [weight / sum(given) for weight in given]
        made: list[Pretext] = [part.build(encoder, sample) for part in parts]
        self.members = nn.ModuleList(made)
        self.objectives = frozenset.intersection(*(part.objectives for part in made))
        if not self.objectives:
            raise BenchbenchError("pretext mixture: its parts share no objective: " + ", ".join(p.name for p in parts))
        self.requires = frozenset[str]().union(*(part.requires for part in made))
        self.uses_labels = any(part.uses_labels for part in made)
        self.max_ways = min((part.max_ways for part in made if part.max_ways is not None), default=None)
        self.views = sum(part.views for part in made)

    @property
    def task_views(self) -> int:
        """The expected number, rounded up: a task is of one part."""
        return ceil(sum(weight * part.task_views for weight, part in zip(self.weights, self.parts, strict=True)))

    @property
    def parts(self) -> list[Pretext]:
        """The pretexts that it draws from."""
        return cast(list[Pretext], list(self.members))

    def prepare(self, pool: Pool, embed: Callable[[Tensor], Tensor], rng: Rng) -> None:
        """Prepare every part."""
        for i, part in enumerate(self.parts):
            part.prepare(pool, embed, rng.child(i))

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The parts' plain objectives on the same samples, weighted by p(t): a scalar."""
        unlabelled = replace(batch, y=None)
        losses = [
            weight * part.loss(batch if part.uses_labels else unlabelled, rng.child(i))
            for i, (weight, part) in enumerate(zip(self.weights, self.parts, strict=True))
        ]
        return torch.stack(losses).sum()

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        """The loss of a part drawn from p(t): a scalar."""
        t = int(torch.multinomial(torch.tensor(self.weights), 1, generator=rng.cpu))
        return self.parts[t].task_loss(encode, x, rng.child(t))

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        """`count` tasks, each of one part drawn from p(t)."""
        chosen = torch.multinomial(torch.tensor(self.weights), count, replacement=True, generator=rng.cpu).tolist()
        parts = self.parts
        return Episodes.cat([parts[t].episodes(pool, shape, 1, rng.child(b)) for b, t in enumerate(chosen)])

    def after_step(self, progress: Progress) -> None:
        """Tell every part."""
        for part in self.parts:
            part.after_step(progress)
