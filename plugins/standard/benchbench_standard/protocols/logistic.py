from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchbench import Rng
from benchbench_standard.protocols.parts import Features, OnFeatures
from benchbench_standard.protocols.selection import best_on_select

STRENGTHS = [0.01, 0.1, 1.0]


class Logistic(OnFeatures):
    """Multinomial logistic regression on frozen features, by scikit-learn's L-BFGS (Kornblith et al. 2019,
    arXiv 1805.08974; on few shots Tian et al. 2020, arXiv 2003.11539, who have unit length and C = 1).

    Of several `c`, the inverse strengths of the penalty, the one that is best on the select part is taken.
    """

    def __init__(
        self,
        *,
        c: Annotated[list[PositiveFloat], Field(min_length=1)] = STRENGTHS,
        scale: Literal["none", "unit", "standard"] = "standard",
        **amount: Any,
    ):
        super().__init__(scale=scale, **amount)
        self.c = c

    def classify(self, features: Features, rng: Rng) -> Tensor:
        """As the regression predicts."""
        x, y = features.fit_x.double().cpu().numpy(), features.fit_y.cpu().numpy()
        models = [LogisticRegression(C=c, max_iter=2000).fit(x, y) for c in self.c]
        model = best_on_select(models, features)
        return torch.from_numpy(np.asarray(model.predict(features.test_x.double().cpu().numpy())))
