from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from sklearn.linear_model import RidgeClassifier
from torch import Tensor

from benchbench import Rng
from benchbench_standard.protocols.parts import Features, OnFeatures
from benchbench_standard.protocols.selection import best_on_select

STRENGTHS = [1.0, 10.0, 100.0]


class RidgeRegression(OnFeatures):
    """Ridge regression on frozen features onto one target a class, 1 or -1, by scikit-learn in closed form; R2-D2's
    base learner (Bertinetto et al. 2019, arXiv 1805.08136) on whole targets.

    Of several `alpha`, the strengths of the penalty, the one that is best on the select part is taken.
    """

    def __init__(
        self,
        *,
        alpha: Annotated[list[PositiveFloat], Field(min_length=1)] = STRENGTHS,
        scale: Literal["none", "unit", "standard"] = "standard",
        **amount: Any,
    ):
        super().__init__(scale=scale, **amount)
        self.alpha = alpha

    def classify(self, features: Features, rng: Rng) -> Tensor:
        """The class whose regression is highest."""
        x, y = features.fit_x.double().cpu().numpy(), features.fit_y.cpu().numpy()
        models = [RidgeClassifier(alpha=alpha, solver="cholesky").fit(x, y) for alpha in self.alpha]
        model = best_on_select(models, features)
        return torch.from_numpy(np.asarray(model.predict(features.test_x.double().cpu().numpy())))
