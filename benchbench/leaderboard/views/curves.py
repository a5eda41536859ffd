"""Views along a scale: accuracy over ways and shots, training over samples."""

import math
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import AGREE, Grid, Row, average_ranks, names, ordered, places
from benchbench.leaderboard.views.text import compact, number, plus_minus, tabular

#: Points that a training's curve is averaged into: enough to show its shape, few enough to draw.
POINTS = 24


def shots(found: Grid) -> Table:
    """How accuracy grows with shots, for each target and number of ways, under protocols that state both."""
    rows: list[dict[str, Any]] = []
    text = names(found)
    shapes = {column: (c.target, c.ways, c.shots) for column, c in places(found).items() if c.ways and c.shots}
    for row in ordered(found, average_ranks(found)):
        for column, (target, ways, k) in shapes.items():
            if score := found.scored(row, column):
                rows.append(
                    {"method": text[row], **row._asdict(), "target": target, "ways": ways, "shots": k, "column": column}
                    | {"mean": score.mean, "ci95": score.interval, "over": score.over, "seeds": score.seeds}
                )
    rows.sort(key=lambda r: (r["target"], r["ways"]))
    curves: dict[tuple[str, ...], dict[str, Any]] = {}
    for r in rows:
        curve = curves.setdefault((r["target"], r["ways"], r["method"]), {**r, "by_shots": {}})
        agree = r["seeds"] > 1 and r["over"] == "episodes"
        curve["by_shots"][r["shots"]] = plus_minus(r["mean"], r["ci95"]) + (AGREE if agree else "")
    columns: dict[str, Any] = {
        "target": lambda r: r["target"], "ways": lambda r: str(r["ways"]), "method": lambda r: r["method"],
    }  # fmt: skip
    for k in sorted({r["shots"] for r in rows}):
        columns[f"{k}-shot"] = lambda r, k=k: r["by_shots"].get(k, "–")
    shown = tabular("Ways and shots", list(curves.values()), columns, [])
    numbers = tabular("Ways and shots", rows, {}, []).numbers
    notes = [
        f"Percent, mean ± 95% interval, over test episodes for one training and over seeds for several; {AGREE}: "
        "over test episodes, as all seeds agree exactly."
    ]
    if without := sorted(set(found.columns) - set(shapes)):
        notes.append(f"Without ways and shots, and not shown: {', '.join(without)}.")
    return Table(shown.rows, numbers, notes=notes, title="Ways and shots")


def adaptation(found: Grid) -> Table:
    """Scores against the number of adaptation steps at test: metrics named ``name@steps``, as in the protocol
    ``adaptation``, averaged over seeds."""
    rows: list[dict[str, Any]] = []
    text = names(found)
    for row in ordered(found, average_ranks(found)):
        for column, cells in found.cells[row].items():
            means: dict[tuple[str, int], list[float]] = {}
            for record in {c.seed: c.record for c in cells if c.ok and c.record}.values():
                for name, summary in record.summary.items() if record else ():
                    metric, _, steps = name.partition("@")
                    if steps.isdecimal():
                        means.setdefault((metric, int(steps)), []).append(summary.mean)
            about = {"method": text[row], **row._asdict(), "column": column}
            rows += [
                about | {"metric": metric, "steps": steps, "mean": _mean(values), "seeds": len(values)}
                for (metric, steps), values in sorted(means.items())
            ]
    curves: dict[tuple[str, ...], dict[str, Any]] = {}
    for r in rows:
        curve = curves.setdefault((r["column"], r["metric"], r["method"]), {**r, "by_steps": {}})
        curve["by_steps"][r["steps"]] = r["mean"]
    columns: dict[str, Any] = {name: lambda r, name=name: r[name] for name in ("column", "metric", "method")}
    for k in sorted({r["steps"] for r in rows}):
        columns[f"{k} steps"] = lambda r, k=k: number(r["by_steps"].get(k), 3)
    notes = [
        "Means over test episodes and seeds after so many steps on each support set (passes over it, for learners that "
        "take it in mini-batches). accuracy is a fraction; loss is the mean cross-entropy of the queries or, of a "
        "pretext held out of training, its own loss on them. A learner that descends nothing has 0 steps alone."
    ]
    shown = tabular("", [curves[key] for key in sorted(curves)], columns, [])
    return Table(shown.rows, tabular("", rows, {}, []).numbers, notes=notes, title="Adaptation")


def learning(found: Grid) -> Table:
    """Training loss and accuracy on the pretext's own episodes against samples, averaged over seeds."""
    text = names(found)
    rows = [point for row in ordered(found, average_ranks(found)) for point in curve(found, row, text[row])]
    final: dict[str, list[dict[str, Any]]] = {}
    for point in rows:
        final.setdefault(point["method"], []).append(point)
    summaries = [
        {"method": name, "first": points[0], "half": points[len(points) // 2], "last": points[-1]}
        for name, points in final.items()
    ]
    columns: dict[str, Any] = {"method": lambda r: r["method"], "samples": lambda r: compact(r["last"]["samples"])}
    for what in ("loss", "accuracy"):
        for at in ("first", "half", "last"):
            columns[f"{what}, {at}"] = lambda r, what=what, at=at: number(r[at][what], 3)
    notes = [
        f"Means over seeds and over {POINTS} equal stretches of training; first, half and last of them are shown, all "
        "are in the numbers. Loss and accuracy are those of the pretext's own task, and do not compare across "
        "pretexts; – where it measures no accuracy.",
        "samples: views that entered a loss, over all stages.",
    ]
    shown = tabular("Learning curves", summaries, columns, notes)
    return Table(shown.rows, tabular("", rows, {}, []).numbers, notes=notes, title="Learning curves")


def curve(found: Grid, row: Row, name: str) -> list[dict[str, Any]]:
    """The learning curve of a row of this name; empty if nothing was trained. Trainings with the same seed and settings
    count once."""
    trainings = {c.training_key: c.record for c in found.members[row] if c.ok and c.record and c.record.curve}
    bins: list[list[dict[str, float]]] = [[] for _ in range(POINTS)]
    for record in trainings.values():
        before = done = 0.0
        points = []
        for point in (p for p in record.curve if "samples" in p) if record else ():
            # Every stage counts its samples from zero.
            before, done = (before + done, 0.0) if point["samples"] <= done else (before, done)
            done = point["samples"]
            points.append({**point, "samples": before + done})
        for point in points:
            at = point["samples"] / points[-1]["samples"]
            bins[min(POINTS - 1, math.ceil(at * POINTS) - 1)].append(point)
    return [
        {"method": name, **row._asdict()}
        | {name: _mean([p[name] for p in points if name in p]) for name in ("samples", "loss", "accuracy")}
        for points in bins
        if points
    ]


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
