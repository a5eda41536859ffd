"""Protocols that fit on one part of a target and predict the class of each image of another."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchbench import Amount, Division, Protocol, Rng, Scores, Target, Trained

Count = Annotated[int, Field(ge=1)]


class OnParts(Protocol):
    """Half of each class's images are for testing (`benchbench.Target.division`). Of the others all may be used, or as
    many as one of the settings says: `shots` a class, a `fraction` of each class, or `examples` in all.

    The score of a test image is in how many of `draws` independent draws of such images its class was found.
    """

    def __init__(
        self,
        *,
        shots: Count | None = None,
        fraction: Annotated[float, Field(gt=0, le=1)] | None = None,
        examples: Annotated[int, Field(ge=5)] | None = None,
        draws: Count = 1,
    ):
        self.amount = Amount(shots, fraction, examples)
        self.draws = draws

    def check(self, target: Target) -> None:
        """The target needs enough images a class."""
        target.check_parts(self.amount)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct draws of each test image."""
        correct = np.zeros(len(target.division().test), np.int64)
        for draw in range(self.draws):
            division = target.division(self.amount, draw)
            predicted = self.predict(trained, target, division, rng.child(draw))
            correct += np.array(target.score_images(division.test, predicted))
        return {"accuracy": Scores(correct.tolist(), self.draws, "image")}

    @abstractmethod
    def predict(self, trained: Trained, target: Target, division: Division, rng: Rng) -> Tensor:
        """The class (n,) int64 of each test image."""


@dataclass(frozen=True)
class Features:
    """Features and labels of the parts: x (n, dim), y (n,); the test part has no labels."""

    fit_x: Tensor
    fit_y: Tensor
    select_x: Tensor
    select_y: Tensor
    test_x: Tensor
    classes: int


class OnFeatures(OnParts):
    """The encoder stays as it is; a classifier learns on its features.

    `scale` says what is done to these: ``unit`` length each, ``standard`` moves the fit part to mean 0 and standard
    deviation 1 (and the other parts alike), ``none``.
    """

    def __init__(self, *, scale: Literal["none", "unit", "standard"] = "unit", **amount: Any):
        super().__init__(**amount)
        self.scale = scale

    def predict(self, trained: Trained, target: Target, division: Division, rng: Rng) -> Tensor:
        """Classify the features, which are computed once a target."""
        parts = [trained.features(target, rows) for rows in (division.fit.rows, division.select.rows, division.test)]
        fit_x, select_x, test_x = _scaled(parts, self.scale)
        fit_y, select_y = (torch.from_numpy(part.y).to(fit_x.device) for part in (division.fit, division.select))
        return self.classify(Features(fit_x, fit_y, select_x, select_y, test_x, division.classes), rng)

    @abstractmethod
    def classify(self, features: Features, rng: Rng) -> Tensor:
        """The class (n,) int64 of each test image."""


def _scaled(parts: list[Tensor], scale: str) -> list[Tensor]:
    if scale == "unit":
        return [F.normalize(x, dim=1) for x in parts]
    if scale == "standard":
        mean, deviation = parts[0].mean(0), parts[0].std(0, correction=0)
        # What never varies in the fit part tells nothing there.
        deviation = torch.where(deviation > 1e-6, deviation, 1.0)
        return [(x - mean) / deviation for x in parts]
    return parts
