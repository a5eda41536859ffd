from typing import Any, Literal

import torch
from torch import Tensor

from benchbench import Rng, Scores, Target, Trained, class_means, similarity
from benchbench_standard.protocols.diagnostics import diagnose, relations
from benchbench_standard.protocols.parts import Features, OnFeatures


class NearestCentroid(OnFeatures):
    """The nearest class mean of frozen features (SimpleShot, Wang et al. 2019, arXiv 1911.04623), by cosine or by
    Euclidean distance.

    It needs nothing but features, so its record also holds what explains them (`diagnose`): measures of the fit part,
    for people to read beside the accuracy, and never ranked; and how alike pairs of its images are (`relations`), from
    which tables make the CKA between any two records.
    """

    #: 2: `relations`.
    revision = 2
    metrics = {
        "accuracy": "higher",
        "effective_rank": "higher",
        "alignment": "lower",
        "uniformity": "lower",
        "within_variance": "lower",
        "relations": "none",
    }

    def __init__(self, *, distance: Literal["euclidean", "cosine"] = "cosine", **amount: Any):
        super().__init__(**({"scale": "none"} | amount))
        self.distance = distance

    def classify(self, features: Features, rng: Rng) -> Tensor:
        """The class of the nearest mean."""
        means = class_means(features.fit_x[None], features.fit_y[None], features.classes)
        return similarity(features.test_x[None], means, self.distance)[0].argmax(1)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct draws of each test image; measures of the whole fit part, one value each; relations of pairs of its
        images, in an order that is the target's."""
        fit = target.division().fit
        features = trained.features(target, fit.rows)
        scores = super().evaluate(trained, target, rng)
        found = diagnose(features, torch.from_numpy(fit.y).to(trained.device))
        scores |= {name: Scores([value], unit="target") for name, value in found.items()}
        order = Rng("relations", target.place).numpy.permutation(len(fit))
        if pairs := relations(features[torch.from_numpy(order).to(trained.device)]):
            scores["relations"] = Scores(pairs, unit="pair")
        return scores
