from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from benchbench import (
    BenchbenchError,
    ComponentRef,
    MetaLearner,
    Pretext,
    Rng,
    Scores,
    Target,
    Trained,
    component_ref,
    seeded_globals,
)
from benchbench_standard.protocols.episodic import Episodic

Steps = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Adaptation(Episodic):
    """How fast a learner adapts: fixed test episodes scored after each of some numbers of `steps` on the support set
    (passes over it, for learners that take it in mini-batches), as in Finn et al. 2017 (arXiv 1703.03400, figure 3).

    ``accuracy`` and ``loss``, the mean cross-entropy of an episode's queries, at k steps are called ``accuracy@k`` and
    ``loss@k``; ``accuracy`` alone is that at the learner's own number. A learner that descends nothing has its score at
    0 steps, and no others. With a `pretext`, one that training did not see, no label is used: support images are
    adapted to by its task loss, and ``loss@k`` is that of the query images; ``adapted`` is which part of the loss the
    learner's own number of steps removes, nothing where it adapts to labelled samples alone. The pretext's head, where
    it has one, is random and stays.
    """

    metrics = {"accuracy": "higher", "adapted": "higher", "loss": "lower"}

    def __init__(
        self,
        *,
        steps: Steps = [0, 1, 2, 3, 5, 10],  # noqa: B006
        pretext: component_ref("pretext") | None = None,  # type: ignore[valid-type]
        episodes: Annotated[int, Field(ge=1)] = 100,
        **shape: Any,
    ):
        super().__init__(episodes=episodes, **shape)
        self.steps = sorted(set(steps))
        self.pretext: ComponentRef | None = pretext
        unknown = "accuracy" if pretext else "adapted"
        self.metrics = {name: better for name, better in type(self).metrics.items() if name != unknown}  # type: ignore[misc]
        if pretext is not None and "task" not in pretext.load().objectives:
            raise BenchbenchError(f"protocol adaptation: pretext {pretext.name} has no task loss to adapt to")
        if pretext is not None and pretext.load().prepare is not Pretext.prepare:
            raise BenchbenchError(f"protocol adaptation: pretext {pretext.name} needs training images before its loss")

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Scores of each episode after each number of steps."""
        own = trained.learner.adaptation_steps
        if self.pretext and not trained.learner.adapts_to_any_loss:
            own = 0
        kept = self.steps if own else [0]
        found: dict[int, dict[str, list[Any]]] = {}
        for k in sorted({0, own, *kept}):
            with taking(trained.learner, k):
                found[k] = (
                    self._pretext_losses(trained, target, rng) if self.pretext else self._at(trained, target, rng)
                )
        scores = {f"loss@{k}": Scores(found[k]["loss"]) for k in kept}
        if self.pretext:
            removed = [1 - after / before for before, after in zip(found[0]["loss"], found[own]["loss"], strict=True)]
            return {"adapted": Scores(removed), **scores}
        queries = self.shape.ways * self.shape.queries
        scores |= {f"accuracy@{k}": Scores(found[k]["correct"], queries) for k in kept}
        return {"accuracy": Scores(found[own]["correct"], queries), **scores}

    def _at(self, trained: Trained, target: Target, rng: Rng) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {"correct": [], "loss": []}
        for batch in target.episodes(self.shape, self.count):
            logits = self.logits(trained, target, batch, rng)
            found["correct"] += target.score(batch, logits)
            found["loss"] += target.losses(batch, logits)
        return found

    def _pretext_losses(self, trained: Trained, target: Target, rng: Rng) -> dict[str, list[Any]]:
        assert self.pretext is not None
        with seeded_globals(Rng("adaptation"), trained.device):
            pretext: Pretext = self.pretext.build(trained.encoder, trained.sample).to(trained.device)
        losses = []
        for batch in target.episodes(self.shape, self.count):
            for i in range(len(batch)):
                support, query = (target.samples(rows[i].numpy()) for rows in (batch.support, batch.query))
                losses.append(loss_after(trained.learner, pretext, support, query, rng.child(batch.number + i)))
        return {"loss": losses}


def loss_after(learner: MetaLearner, pretext: Pretext, support: Tensor, query: Tensor, rng: Rng) -> float:
    """The pretext's loss of query images (Q, *shape) after the learner's adaptation to that of support ones, without
    one where it adapts to labelled samples alone."""
    with torch.no_grad(), seeded_globals(rng.child("globals"), query.device):
        if learner.adapts_to_any_loss:
            encode = learner.adapt_to(lambda encode: pretext.task_loss(encode, support, rng.child("support")))
        else:
            encode = lambda x: learner.encode(x.unsqueeze(0), support=len(x)).squeeze(0)  # noqa: E731
        return float(pretext.task_loss(encode, query, rng.child("query")))


@contextmanager
def taking(learner: MetaLearner, steps: int) -> Iterator[None]:
    """Run a block in which a learner takes another number of steps at test."""
    before, learner.adaptation_steps = learner.adaptation_steps, steps
    try:
        yield
    finally:
        learner.adaptation_steps = before
