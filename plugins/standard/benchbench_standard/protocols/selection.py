"""Choosing among fitted classifiers on the select part."""

from collections.abc import Sequence
from typing import Any

from benchbench_standard.protocols.parts import Features


def best_on_select(models: Sequence[Any], features: Features) -> Any:
    """The one of scikit-learn's `models` with the highest accuracy there; the first of equal ones."""
    if len(models) == 1:
        return models[0]
    x, y = features.select_x.double().cpu().numpy(), features.select_y.cpu().numpy()
    return max(models, key=lambda model: float(model.score(x, y)))
