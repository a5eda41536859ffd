"""Nothing that a protocol does depends on a test label before it is scored, and all of it on the fit labels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchbench import Amount, ClassSplit, Division, Labelled, Rng, SampleSpec, Target, TestBatch, Trained
from benchbench.components.registry import offers
from benchbench.components.settings import construct
from benchbench_standard.protocols.adaptation import Adaptation
from benchbench_standard.protocols.calibration import Calibration
from benchbench_standard.protocols.detection import Detection
from benchbench_standard.protocols.episodic import Episodic
from benchbench_standard.protocols.episodic_finetune import EpisodicFinetune, MetaDatasetFinetune
from benchbench_standard.protocols.episodic_frozen import EpisodicFrozen
from benchbench_standard.protocols.finetune import Finetune
from benchbench_standard.protocols.knn import KNN
from benchbench_standard.protocols.linear_probe import LinearProbe
from benchbench_standard.protocols.logistic import Logistic
from benchbench_standard.protocols.meta_dataset import MetaDataset
from benchbench_standard.protocols.nearest_centroid import NearestCentroid
from benchbench_standard.protocols.parts import OnParts
from benchbench_standard.protocols.ranking import Ranking
from benchbench_standard.protocols.ridge import RidgeRegression
from benchbench_standard.protocols.robustness import Robustness
from benchbench_standard.protocols.segmentation import Segmentation

SAMPLE = SampleSpec("image", (1, 8, 8))
PROTOCOLS = [
    NearestCentroid(), KNN(), Logistic(c=[0.1]), RidgeRegression(), LinearProbe(epochs=10),
    Finetune(steps=40, lr=0.1), KNN(shots=5, draws=2), Finetune(steps=60, lr=1.0, layers="head", shots=10),
]  # fmt: skip
IDS = ["nearest-centroid", "knn", "logistic", "ridge", "linear-probe", "finetune", "knn-5shot", "head-10shot"]
FEW: dict[str, Any] = {"episodes": 16, "ways": 5, "shots": 5}
EPISODIC = {
    "episodic": Episodic(**FEW),
    "adaptation": Adaptation(**FEW),
    "meta-dataset": MetaDataset(**FEW),
    "calibration": Calibration(**FEW),
    "episodic-frozen": construct(EpisodicFrozen, settings=FEW),
    "episodic-finetune": EpisodicFinetune(**FEW, steps=10, lr=0.1),
    "meta-dataset-finetune": MetaDatasetFinetune(**FEW, steps=20, lr=1.0, layers="head"),
}
#: test_scenes.py has these.
SCENES = (Detection, Segmentation)


class Shuffled(Target):
    """The labels of the fit and select parts, and of support sets, are dealt out anew."""

    def division(self, amount: Amount | None = None, draw: int = 0) -> Division:
        whole = super().division(amount, draw)
        state = np.random.RandomState(draw)
        fit, select = (Labelled(p.rows, state.permutation(p.y)) for p in (whole.fit, whole.select))
        return replace(whole, fit=fit, select=select)

    def _batch(self, number: int, part: Any) -> TestBatch:
        batch = super()._batch(number, part)
        state = np.random.RandomState(number)
        support_y = torch.stack([y[torch.from_numpy(state.permutation(len(y)))] for y in batch.support_y])
        return replace(batch, support_y=support_y)


class Poisoned(Target):
    """Its test labels, and what reads them, raise."""

    def _truth(self, rows: np.ndarray) -> np.ndarray:
        raise AssertionError("a test label was read before scoring")


class Watched(Target):
    """It keeps what it is asked to score; its test labels are the true ones plus `shift`."""

    shift = 0

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.asked: list[torch.Tensor] = []

    def _truth(self, rows: np.ndarray) -> np.ndarray:
        return (super()._truth(rows) + self.shift) % self.classes

    def _batch(self, number: int, part: Any) -> TestBatch:
        batch = super()._batch(number, part)
        self._labels[number] = (self._labels[number] + self.shift) % batch.ways
        return batch

    def score_images(self, rows: np.ndarray, predictions: Any) -> list[int]:
        self.asked.append(torch.as_tensor(predictions))
        return super().score_images(rows, predictions)

    def hits(self, batch: TestBatch, logits: torch.Tensor) -> np.ndarray:
        self.asked.append(logits)
        return super().hits(batch, logits)


def accuracy(protocol: Any, trained: Trained, target: Target) -> float:
    scores = protocol.evaluate(trained, target, Rng(0))["accuracy"]
    return float(np.mean(scores.values)) / (scores.denominator or 1)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, Robustness(severities=[1])], ids=[*IDS, "robustness"])
def test_shuffled_fit_labels_leave_chance(protocol, small, digits) -> None:
    assert accuracy(protocol, small, Target(digits, SAMPLE)) > 0.45
    # Ten classes, 896 images: chance is 10%, with a standard error of at most 2 points for a few draws.
    assert accuracy(protocol, small, Shuffled(digits, SAMPLE)) < 0.2


@pytest.mark.parametrize("protocol", EPISODIC.values(), ids=EPISODIC)
def test_shuffled_support_labels_leave_chance(protocol, small, digits) -> None:
    assert accuracy(protocol, small, Target(digits, SAMPLE)) > 0.45
    # Five ways: chance is 20%, with a standard error of 3 points over 16 episodes of some ten points each.
    assert accuracy(protocol, small, Shuffled(digits, SAMPLE)) < 0.29


@pytest.mark.parametrize("protocol", [*EPISODIC.values(), Robustness(severities=[1])], ids=[*EPISODIC, "robustness"])
def test_what_is_scored_does_not_depend_on_the_truth(protocol, small, digits) -> None:
    right, wrong = Watched(digits, SAMPLE), Watched(digits, SAMPLE)
    wrong.shift = 1
    scores = [protocol.evaluate(small, target, Rng(0))["accuracy"].values for target in (right, wrong)]
    assert scores[0] != scores[1], "or the truth was not read at all"
    assert len(right.asked) == len(wrong.asked) > 0
    assert all(torch.equal(a, b) for a, b in zip(right.asked, wrong.asked, strict=True))


@pytest.fixture
def in_order(digits):
    """Pairs of digits as sources of two ordered classes."""
    pairs = [ClassSplit(test=(c, c + 1), ordered=True) for c in range(0, 10, 2)]
    return replace(digits, split=ClassSplit.joined(pairs))


def test_a_ranking_does_not_depend_on_the_truth(small, in_order) -> None:
    protocol = Ranking(episodes=16)
    right, wrong = Watched(in_order, SAMPLE), Watched(in_order, SAMPLE)
    wrong.shift = 1
    scores = [protocol.evaluate(small, target, Rng(0)) for target in (right, wrong)]
    assert all(torch.equal(a, b) for a, b in zip(right.asked, wrong.asked, strict=True))
    for name in ("auc", "accuracy"):
        whole = scores[0][name].denominator or 1
        flipped = [whole - value for value in scores[1][name].values]
        assert scores[0][name].values == pytest.approx(flipped)
    assert np.mean(scores[0]["auc"].values) > 0.7
    shuffled = protocol.evaluate(small, Shuffled(in_order, SAMPLE), Rng(0))
    # Chance is one half, with a standard error of some 5 points over 16 episodes.
    assert np.mean(shuffled["auc"].values) < 0.65


def test_every_protocol_is_among_these() -> None:
    tested = {type(p) for p in (*PROTOCOLS, *EPISODIC.values())} | {Robustness, Ranking, *SCENES}
    ours = {offer.load() for offer in offers("protocol") if offer.distribution == "benchbench-suite"}
    assert ours == tested


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=IDS)
def test_test_labels_are_not_read_and_change_nothing(protocol: OnParts, small, digits) -> None:
    def predicted(target: Target) -> torch.Tensor:
        part = target.division(protocol.amount, 0)
        return protocol.predict(small, target, part, Rng(0))

    clean = predicted(Target(digits, SAMPLE))
    poisoned = Poisoned(digits, SAMPLE)
    part = poisoned.division()
    # Those who would read the table itself find wrong labels there.
    digits.table.labels[part.test] = (digits.table.labels[part.test] + 1) % 10
    assert torch.equal(predicted(poisoned), clean)
    with pytest.raises(AssertionError, match="a test label was read"):
        poisoned.score_images(part.test, clean)


def test_statistics_of_untracked_norms_are_of_fit_images_alone(small, digits) -> None:
    small.learner.test_norm = "call"
    target = Target(digits, SAMPLE)
    part = target.division()
    restated = small.encoder_for(target)
    x = target.samples(np.sort(part.fit.rows))
    mean = small.encoder.conv(x).mean((0, 2, 3))
    # Batches of 256 weigh alike, the last one is smaller.
    assert torch.allclose(restated.norm.running_mean, mean, atol=0.02)
    assert not small.encoder.norm.running_mean.any(), "the encoder itself stays"
    assert small.features(target, part.test).shape == (len(part.test), 32)
    small.learner.test_norm = "running"
    assert small.encoder_for(target) is small.encoder
