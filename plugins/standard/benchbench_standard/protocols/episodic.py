from typing import Annotated

from pydantic import Field
from torch import Tensor

from benchbench import EpisodeShape, Protocol, Rng, Scores, Target, TestBatch, Trained

Count = Annotated[int, Field(ge=1)]


class Episodic(Protocol):
    """N-way K-shot classification (`ways`, `shots`, and `queries` a class) on fixed test episodes (Vinyals et al. 2016,
    arXiv 1606.04080), scored by the learner's own adaptation; the query labels never reach it."""

    def __init__(
        self,
        *,
        ways: Annotated[int, Field(ge=2)] = 5,
        shots: Count = 1,
        queries: Count = 15,
        episodes: Count = 600,
    ):
        self.shape = EpisodeShape(ways, shots, queries)
        self.count = episodes

    def check(self, target: Target) -> None:
        """The target needs enough classes and images."""
        target.check(self.shape)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct queries of each episode."""
        correct: list[int] = []
        for batch in target.episodes(self.shape, self.count):
            correct += target.score(batch, self.logits(trained, target, batch, rng))
        return {"accuracy": Scores(correct, self.shape.ways * self.shape.queries)}

    def logits(self, trained: Trained, target: Target, batch: TestBatch, rng: Rng) -> Tensor:
        """Scores of the queries (B, Q, ways), by the learner's own adaptation."""
        return trained.logits(batch, rng)
