from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, Rng, Scores, Target, Trained
from benchbench_standard.protocols.episodic import Count, Episodic


class Ranking(Episodic):
    """How well a learner orders what somebody may like, on fixed test episodes of two ordered classes, disliked and
    liked: a user's queries by logit(liked) - logit(disliked).

    Beside ``accuracy``: ``auc`` is the share of pairs of a liked and a disliked query that are in the right order, ties
    counting half (Hanley & McNeil 1982, doi 10.1148/radiology.143.1.7063747); ``ndcg`` the discounted gain of the first
    `top` of the order (NDCG@5) over that of the best one, a liked query's gain being 1 and the discount log2(rank + 1)
    (Jarvelin & Kekalainen 2002, doi 10.1145/582415.582418). Tied queries share the mean of their places' discounts. A
    user's queries are as many liked as disliked ones, so 0.5 is chance for all three, but for a `top` above the liked
    ones.
    """

    metrics = {"accuracy": "higher", "auc": "higher", "ndcg": "higher"}
    needs_order = True

    def __init__(
        self,
        *,
        shots: Count = 5,
        queries: Count = 10,
        episodes: Count = 600,
        top: Annotated[int, Field(ge=1)] = 5,
    ):
        super().__init__(ways=2, shots=shots, queries=queries, episodes=episodes)
        self.top = top

    def check(self, target: Target) -> None:
        """Every source of the target has two classes, in order, and enough samples of both."""
        split = target.data.split
        sources = [source for source in split.sources or (split,) if source.part(target.part)]
        if not all(source.ordered and len(source.part(target.part)) == 2 for source in sources):
            raise BenchbenchError(
                f"{target.name} cannot be ranked: protocol ranking expects two ordered classes in each source, "
                "disliked and liked"
            )
        super().check(target)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """The three scores of each episode."""
        correct: list[int] = []
        found: dict[str, list[float]] = {"auc": [], "ndcg": []}
        for batch in target.episodes(self.shape, self.count):
            logits = self.logits(trained, target, batch, rng)
            correct += target.score(batch, logits)
            for name, measure in (("auc", auc), ("ndcg", partial(ndcg, top=self.top))):
                found[name] += target.measured(batch, logits, partial(_of_liking, measure))
        accuracy = Scores(correct, self.shape.ways * self.shape.queries)
        return {"accuracy": accuracy, **{name: Scores(values) for name, values in found.items()}}


def _of_liking(measure: Callable[[np.ndarray, np.ndarray], float], logits: np.ndarray, liked: np.ndarray) -> float:
    """A measure of the order that logits (Q, 2) give."""
    return measure(logits[:, 1] - logits[:, 0], liked)


def auc(scores: np.ndarray, liked: np.ndarray) -> float:
    """The area under the ROC curve of scores (n,) for liked (n,), 0 or 1, of which there are both."""
    above, below = scores[liked == 1][:, None], scores[liked == 0]
    return float(((above > below) + 0.5 * (above == below)).mean())


def ndcg(scores: np.ndarray, liked: np.ndarray, top: int) -> float:
    """The normalised discounted cumulative gain of the `top` highest of scores (n,)."""
    discounts = np.zeros(len(scores))
    discounts[:top] = 1 / np.log2(np.arange(2, min(top, len(scores)) + 2))
    ordered = np.sort(scores)[::-1]
    # A tie has the mean of the discounts that it covers, in whichever order its queries stand.
    shared = {score: discounts[ordered == score].mean() for score in set(scores.tolist())}
    gained = sum(shared[score] for score in scores[liked == 1].tolist())
    return float(gained / discounts[: int(liked.sum())].sum())
