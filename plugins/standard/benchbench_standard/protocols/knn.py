from typing import Any

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from benchbench import Rng
from benchbench_standard.protocols.parts import Features, OnFeatures


class KNN(OnFeatures):
    """Weighted k-nearest neighbours on frozen features (Wu et al. 2018, arXiv 1805.01978, section 3.4): each of the `k`
    nearest by cosine votes for its class with weight exp(cosine / temperature).

    lightly has k = 200 and temperature 0.1, solo-learn 20 and 0.07; a smaller fit part votes whole.
    """

    def __init__(self, *, k: PositiveInt = 200, temperature: PositiveFloat = 0.1, **features: Any):
        super().__init__(**features)
        self.k, self.temperature = k, temperature

    def classify(self, features: Features, rng: Rng) -> Tensor:
        """The class with the most votes."""
        predicted = []
        for x in features.test_x.split(1024):
            similar, nearest = (x @ features.fit_x.mT).topk(min(self.k, len(features.fit_x)))
            votes = torch.zeros(len(x), features.classes, dtype=x.dtype, device=x.device)
            # Shifted, so that a low temperature does not overflow: votes change by a common factor.
            weights = ((similar - similar[:, :1]) / self.temperature).exp()
            predicted.append(votes.scatter_add_(1, features.fit_y[nearest], weights).argmax(1))
        return torch.cat(predicted)
