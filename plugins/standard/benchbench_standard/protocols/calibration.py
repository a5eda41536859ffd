from typing import Annotated, Any

import numpy as np
from pydantic import Field

from benchbench import Rng, Scores, Target, Trained
from benchbench_standard.protocols.episodic import Episodic


class Calibration(Episodic):
    """Whether a learner knows what it does not know, on the fixed episodes of `episodic`: the softmax of its scores
    held against how often it is right.

    ``ece`` is the expected calibration error over all queries (Guo, Pleiss, Sun & Weinberger 2017, arXiv 1706.04599,
    equation 3): queries in `bins` of equal width by their highest probability, the gap between a bin's mean probability
    and its share of right answers, weighted by its queries. Scores are taken as they are; Patacchiola et al. 2020
    (arXiv 1910.05199, section 5.3) divide them by a fitted temperature first. ``nll`` is the mean negative
    log-likelihood of the right class, an episode.
    """

    metrics = {"accuracy": "higher", "ece": "lower", "nll": "lower"}

    def __init__(self, *, bins: Annotated[int, Field(ge=1)] = 15, **episodes: Any):
        super().__init__(**episodes)
        self.bins = bins

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct queries and loss of each episode, and one error for all."""
        losses: list[float] = []
        hits, confidence = [], []
        for batch in target.episodes(self.shape, self.count):
            logits = self.logits(trained, target, batch, rng)
            hits.append(target.hits(batch, logits))
            confidence.append(logits.double().softmax(-1).amax(-1).cpu().numpy())
            losses += target.losses(batch, logits)
        right = np.concatenate(hits)
        error = calibration_error(np.concatenate(confidence).ravel(), right.ravel(), self.bins)
        return {
            "accuracy": Scores(right.sum(1).tolist(), self.shape.ways * self.shape.queries),
            "ece": Scores([error], unit="target"),
            "nll": Scores(losses),
        }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """The expected calibration error of predictions (n,): their probabilities, and whether they were right."""
    # A bin holds its upper edge, not its lower one.
    of_bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(of_bin, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))
