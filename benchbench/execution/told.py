"""What hooks are told of a training, in plain values."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from benchbench.store.records import Record
from benchbench.training.chain import Training


def about(training: Training) -> dict[str, Any]:
    """Which training it is."""
    return {"key": training.key, "label": training.label, "matrix": training.matrix, "seed": training.seed}


def settings(training: Training) -> dict[str, Any]:
    """What a training is made of: its components, as records hold them, its regime and its recipe. A floor has no
    source. Hooks get a copy, since records are made from the training itself."""
    held = training.content
    parts = {"pretext": "pretext", "meta": "learner", "backbone": "backbone", "source": "source"}
    components = {part: held.get(name) for part, name in parts.items()}
    return deepcopy({**components, "regime": training.method.regime, **training.recipe})


def outcome(training: Training, held: Mapping[str, Record]) -> tuple[dict[str, float], dict[str, Any]]:
    """(costs, scores) of a training's records: its `Cost` and what was timed, and for each target and protocol, by the
    matrix's names, mean, half-width of the interval and count of each metric."""
    cost: dict[str, float] = {}
    scores: dict[str, Any] = {}
    for cell in training.cells:
        if (record := held.get(cell.key)) is None or record.status != "ok":
            continue
        spent = record.timing.get("evaluation_seconds", 0.0) + cost.get("evaluation_seconds", 0.0)
        cost |= record.cost.model_dump() if record.cost else {}
        cost |= {**record.timing, "evaluation_seconds": spent}
        of_target = scores.setdefault(cell.names.get("target", cell.target.bare), {})
        metrics = {name: summary.model_dump() for name, summary in record.summary.items()}
        of_target[cell.names.get("protocol", cell.protocol)] = metrics
    return cost, scores
