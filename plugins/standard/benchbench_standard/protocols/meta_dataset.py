import math
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from benchbench import Protocol, Rng, Scores, Target, TestBatch, Trained, VariableShape

Count = Annotated[int, Field(ge=1)]
Ways = Annotated[int, Field(ge=2)]


class MetaDataset(Protocol):
    """Meta-Dataset's evaluation (Triantafillou et al. 2020, arXiv 1903.03096): episodes of varying ways, shots and
    queries, classes drawn by the target's hierarchy where it has one; the mean of the episodes' accuracies.

    The settings are the reference's, by the names that ways, shots and queries have here: `max_support` samples in all
    and `max_support_per_class`, classes weighted by exp of `min_log_weight` to `max_log_weight`, at most `max_span`
    leaves below an episode's node. `ways`, `shots` or `queries` fix one of them (`benchbench.VariableShape`).
    """

    def __init__(
        self,
        *,
        episodes: Count = 600,
        min_ways: Ways = 5,
        max_ways: Ways = 50,
        max_queries: Count = 10,
        max_support: Count = 500,
        max_support_per_class: Count = 100,
        min_log_weight: float = math.log(0.5),
        max_log_weight: float = math.log(2),
        max_span: Ways = 392,
        ways: Ways | None = None,
        shots: Count | None = None,
        queries: Count | None = None,
        hierarchy: bool = True,
    ):
        sizes: dict[str, Any] = {"min_ways": min_ways, "max_ways": max_ways, "max_queries": max_queries}
        sizes |= {"max_support": max_support, "max_support_per_class": max_support_per_class, "max_span": max_span}
        sizes |= {"min_log_weight": min_log_weight, "max_log_weight": max_log_weight}
        self.shape = VariableShape(**sizes, ways=ways, shots=shots, queries=queries, hierarchy=hierarchy)
        self.count = episodes

    def check(self, target: Target) -> None:
        """The target needs enough classes and images."""
        target.check(self.shape)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """The share of correct queries of each episode."""
        accuracies: list[float] = []
        for batch in target.episodes(self.shape, self.count):
            correct = target.score(batch, self.logits(trained, target, batch, rng))
            accuracies += [c / batch.query.shape[1] for c in correct]
        return {"accuracy": Scores(accuracies)}

    def logits(self, trained: Trained, target: Target, batch: TestBatch, rng: Rng) -> Tensor:
        """Scores of the queries (B, Q, ways), by the learner's own adaptation."""
        return trained.logits(batch, rng)
