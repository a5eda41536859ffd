"""How much of training's accuracy carries over to new classes of the same dataset."""

import math
from typing import Any

import scipy

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, average_ranks, names, ordered
from benchbench.leaderboard.views.text import number, plus_minus, tabular

#: The fraction of the last stage's curve that counts as its end; carrying over less than HALF is called memorised.
END, HALF = 0.2, 0.5

NOTES = [
    "train: accuracy on the training's own episodes over the last fifth of its last stage, in percent. test: accuracy "
    "on test episodes of new classes of the same dataset, of as many ways and shots. gap: train minus test, in "
    "percentage points, ± its 95% interval: over the points of the curve and the test episodes for one training, or "
    "where all seeds agree exactly; over seeds for several.",
    "carried over: what test accuracy is above chance, as a part of what train accuracy is. Below half of it a "
    "training is called memorised: what it knows of its episodes is not how to learn from a support set. not learned: "
    "train accuracy is not told from chance.",
    "Of a pretext, training episodes are its own tasks and test episodes are of true classes: its gap is also that "
    "between the two. Steps and batch statistics may differ between training and test, by a learner's settings.",
]


def overfitting(found: Grid) -> Table:
    """The gap between meta-train and meta-test accuracy of each training scored on its own source, under protocols with
    the training's ways and shots."""
    rows: list[dict[str, Any]] = []
    text = names(found)
    for row in ordered(found, average_ranks(found)):
        for column, cells in found.cells[row].items():
            seeds = {c.seed: ends for c in cells if (ends := _ends(c))}
            if seeds:
                about = {"method": text[row], **row._asdict(), "column": column}
                rows.append(about | _gap(list(seeds.values()), 100 / (cells[0].ways or 1)))
    columns: dict[str, Any] = {
        "method": lambda r: r["method"],
        "on": lambda r: r["column"],
        "train": lambda r: number(r["train"]),
        "test": lambda r: number(r["test"]),
        "gap": lambda r: plus_minus(r["gap"], r["ci95"]),
        "carried over": lambda r: number(r["carried"]),
        "verdict": lambda r: r["verdict"],
    }
    return tabular("Overfitting", rows, columns, NOTES)


def _ends(c: Cell) -> tuple[float, float, float, float] | None:
    """Accuracy at the end of training and at test, in percent, and their standard errors; None if a cell has no
    episodes of the same kind on both sides."""
    if not (c.ok and c.record) or c.floor or c.target != c.source:
        return None
    content = c.record.content
    ways, shots = (content.get("training_ways") or [None])[-1], content["recipe"].get("episodes", {}).get("shots")
    if None in (ways, shots) or (ways, shots) != (c.ways, c.shots):
        return None
    points = [p["accuracy"] for p in last_stage(c.record.curve) if "accuracy" in p]
    if not points:
        return None
    end = [100 * p for p in points[-math.ceil(END * len(points)) :]]
    train = math.fsum(end) / len(end)
    spread = math.fsum((p - train) ** 2 for p in end) / len(end)
    return train, 100 * c.mean, math.sqrt(spread / len(end)), 100 * c.ci95 / 1.96


def last_stage(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    """The points of a curve's last stage: every stage counts its samples from zero."""
    begins = [i for i in range(1, len(curve)) if curve[i].get("samples", 0) <= curve[i - 1].get("samples", 0)]
    return curve[begins[-1] if begins else 0 :]


def _gap(ends: list[tuple[float, float, float, float]], chance: float) -> dict[str, Any]:
    train, test = (math.fsum(e[i] for e in ends) / len(ends) for i in (0, 1))
    gaps = [e[0] - e[1] for e in ends]
    # Up to rounding; seeds that agree exactly show no spread.
    agree = max(gaps) - min(gaps) <= 1e-9
    if agree:
        half = 1.96 * math.sqrt(math.fsum(e[2] ** 2 + e[3] ** 2 for e in ends) / len(ends))
    else:
        variance = math.fsum((g - (train - test)) ** 2 for g in gaps) / (len(gaps) - 1)
        half = float(scipy.stats.t.ppf(0.975, len(gaps) - 1)) * math.sqrt(variance / len(gaps))
    noise = 1.96 * math.sqrt(math.fsum(e[2] ** 2 for e in ends)) / len(ends)
    learned = train - noise > chance
    carried = (test - chance) / (train - chance) if learned else None
    verdict = "not learned" if carried is None else "memorised" if carried < HALF else "carries over"
    return {
        "train": train,
        "test": test,
        "gap": train - test,
        "ci95": half,
        "over": "episodes" if agree else "seeds",
        "seeds": len(ends),
        "chance": chance,
        "carried": carried,
        "verdict": verdict,
    }
