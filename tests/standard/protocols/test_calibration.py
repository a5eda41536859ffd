"""Probabilities held against right answers."""

import numpy as np
import pytest
import torch

from benchbench import MetaLearner, Rng, Target, Trained
from benchbench_standard.protocols.calibration import Calibration, calibration_error
from tests.evaluation.conftest import SAMPLE, Small


def test_the_error_by_hand():
    """Two bins: .3 and .4 with one right answer of two (gap .15), and .9, .8, 1 with two of three (gap .7/3)."""
    confidence = np.array([0.3, 0.9, 0.4, 0.8, 1.0])
    right = np.array([True, True, False, False, True])
    assert calibration_error(confidence, right, 2) == pytest.approx(2 / 5 * 0.15 + 3 / 5 * 0.7 / 3)


def test_an_edge_belongs_to_the_bin_below():
    """.5 is in the lower of two bins: alone there, wrong, its gap is its own."""
    assert calibration_error(np.array([0.5, 0.6]), np.array([False, True]), 2) == pytest.approx((0.5 + 0.4) / 2)
    assert calibration_error(np.array([0.0]), np.array([True]), 3) == 1.0


class Sure(MetaLearner):
    """Says class 0, with a probability that is given."""

    probability = 0.2

    def logits(self, episodes, rng):
        rest = (1 - self.probability) / (episodes.ways - 1)
        scores = torch.full((len(episodes), episodes.query_x.shape[1], episodes.ways), rest)
        scores[..., 0] = self.probability
        return scores.log()


@pytest.mark.parametrize(("probability", "ece"), [(0.2001, 0.0001), (0.9, 0.7)])
def test_a_guess_of_one_class_in_five(target: Target, probability: float, ece: float) -> None:
    """It is right in one query of five; the likelihood follows from the probabilities alone."""
    encoder = Small(SAMPLE)
    learner = Sure(encoder)
    learner.probability = probability
    found = Calibration(episodes=10).evaluate(Trained(encoder, learner, SAMPLE), target, Rng(0))
    assert found["accuracy"].values == [15] * 10
    assert found["ece"].values == [pytest.approx(ece, abs=1e-5)]
    nll = -(0.2 * np.log(probability) + 0.8 * np.log((1 - probability) / 4))
    assert found["nll"].values == pytest.approx([nll] * 10, rel=1e-5)
