"""What is required of a protocol: its scores, what it may read, what it leaves alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.evaluation.protocol import Protocol, Scores
from benchbench.evaluation.target import Target, TestBatch
from benchbench.evaluation.trained import Trained
from benchbench.rng import Rng, seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.guards import own_draws_only, own_state_kept
from benchbench.testing.standins import prepared_of, trained_of
from benchbench.testing.subjects import Fault, NotApplicable, Subject

RNG = Rng("conformance", "protocol")
#: What one value of a score is about. A `target` value, such as a rank, is about the target as a whole.
UNITS = ("episode", "image", "pair", "target")


class Watched(Target):
    """A target that keeps what is handed in for scoring. If poisoned, all its test labels are wrong."""

    def __init__(self, sample: SampleSpec, *, poisoned: bool = False, device: str = "cpu", ordered: bool = False):
        data = prepared_of(sample, ordered=ordered)
        own = replace(data, table=replace(data.table, labels=data.table.labels.copy()))
        super().__init__(own, sample, device=device)
        self.seen: list[np.ndarray] = []
        self.poisoned = poisoned
        # Parts and episodes are drawn from the true labels, before these are poisoned.
        _ = self._whole, self._sources
        if poisoned:
            labels = self.data.table.labels
            labels[:] = (labels + 1) % self.classes

    def _batch(self, number: int, part: list[Any]) -> TestBatch:
        batch = super()._batch(number, part)
        if self.poisoned:
            self._labels[number] = (self._labels[number] + 1) % batch.ways
        return batch

    def score(self, batch: TestBatch, logits: Tensor) -> list[int]:
        """Keep the logits, and score them."""
        self.seen.append(logits.detach().cpu().numpy().copy())
        return super().score(batch, logits)

    def score_images(self, rows: np.ndarray, predictions: Tensor | np.ndarray) -> list[int]:
        """Keep the predictions, and score them."""
        self.seen.append(np.asarray(predictions.cpu() if isinstance(predictions, Tensor) else predictions).copy())
        return super().score_images(rows, predictions)


def watched(
    subject: Subject, sample: SampleSpec | None = None, *, poisoned: bool = False, device: str = "cpu"
) -> Watched:
    """A target of such samples as the protocol takes: with ordered classes if it needs them."""
    found = sample or subject.shapes()[0]
    return Watched(found, poisoned=poisoned, device=device, ordered=subject.cls.needs_order)


def trained(subject: Subject, sample: SampleSpec | None = None) -> Trained:
    """A stand-in encoder and learner that provide what the protocol requires."""
    found = trained_of(sample or subject.shapes()[0], subject.cls.requires)
    if found is None:
        raise NotApplicable(f"no stand-in encoder provides {', '.join(sorted(subject.cls.requires))}")
    return found


def scored(subject: Subject, protocol: Protocol, model: Trained, target: Target, rng: Rng = RNG) -> dict[str, Scores]:
    """Its scores for a target, as a cell computes them. Raises NotApplicable if it refuses the target."""
    try:
        protocol.check(target)
    except BenchbenchError as refusal:
        raise NotApplicable(f"it refuses the target tried: {refusal}") from None
    with seeded_globals(RNG.child("globals")):
        return protocol.evaluate(model, target, rng.child("evaluate"))


@check("protocol")
def scores_as_declared(subject: Subject) -> None:
    """Every declared metric has its scores, one for each episode or image, on samples of each modality."""
    for sample in {(s.modality, s.shape[0]): s for s in subject.shapes()}.values():
        protocol = subject.build()
        found = scored(subject, protocol, trained(subject, sample), watched(subject, sample))
        if not isinstance(found, dict) or {name.partition("@")[0] for name in found} != set(protocol.metrics):
            raise Fault(
                f"it declares the metrics {sorted(protocol.metrics)} but returns {sorted(found)}: declare in "
                "`metrics` what evaluate returns, with the better direction of each"
            )
        for metric, scores in found.items():
            _judge(metric, scores)


def _judge(metric: str, scores: Scores) -> None:
    if not isinstance(scores, Scores):
        raise Fault(f"its {metric} is a {type(scores).__name__}: return benchbench.Scores")
    if scores.unit not in UNITS:
        raise Fault(f"the unit of its {metric} is {scores.unit!r}: it is one of {', '.join(UNITS)}")
    if len(scores.values) < (1 if scores.unit == "target" else 2):
        raise Fault(f"its {metric} is one number: return a value for each episode or image, never only their mean")
    if scores.denominator is None:
        if not np.isfinite(np.array(scores.values, float)).all():
            raise Fault(f"its {metric} holds values that are not finite")
        return
    if not all(isinstance(v, int) and 0 <= v <= scores.denominator for v in scores.values):
        raise Fault(
            f"its {metric} has the denominator {scores.denominator}, so its values are counts, ints from 0 to it: "
            "return counts, or leave the denominator out"
        )


@check("protocol")
def draws_follow_the_stream(subject: Subject) -> None:
    """The same `rng` gives the same scores, and neither Python's nor NumPy's global generator is touched."""
    protocol, sample = subject.build(), subject.shapes()[0]
    # The core seeds torch's: fresh heads and dropout take no generator.
    with own_draws_only("its evaluate method", torch.nn.Dropout()):
        first = scored(subject, protocol, trained(subject), watched(subject, sample))
    again = scored(subject, protocol, trained(subject), watched(subject, sample))
    if {k: s.values for k, s in first.items()} != {k: s.values for k, s in again.items()}:
        raise Fault("the same encoder, target and rng give other scores at the second call: draw from `rng` alone")


@check("protocol")
def encoder_untouched(subject: Subject) -> None:
    """Scoring leaves encoder and learner unchanged: other protocols score them too."""
    model = trained(subject)
    with own_state_kept("its evaluate method", encoder=model.encoder, learner=model.learner):
        scored(subject, subject.build(), model, watched(subject))


@check("protocol")
def test_labels_unread(subject: Subject) -> None:
    """What it hands in for scoring is the same if every test label is wrong."""
    clean, poisoned = watched(subject), watched(subject, poisoned=True)
    for target in (clean, poisoned):
        scored(subject, subject.build(), trained(subject), target)
    if not clean.seen:
        raise NotApplicable("it hands in no logits or predictions of classes")
    same = len(clean.seen) == len(poisoned.seen) and all(
        np.array_equal(a, b) for a, b in zip(clean.seen, poisoned.seen, strict=True)
    )
    if not same:
        raise Fault(
            "its predictions change with the test labels: it reads them; fit on target.division().fit and select "
            "alone, and leave scoring to target.score or target.score_images"
        )


@check("protocol")
def refuses_what_it_cannot_score(subject: Subject) -> None:
    """`check` computes nothing, and refuses a target only by raising BenchbenchError."""
    protocol: Protocol = subject.build()
    target = watched(subject)
    refuse: Callable[[Target], None] = protocol.check
    try:
        refuse(target)
    except BenchbenchError:
        return
    if target.seen:
        raise Fault("its check method scores: let it look at the target's size alone, and score in evaluate")
