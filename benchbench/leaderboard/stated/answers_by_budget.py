"""What every method of a study adds to plain training, budget by budget. Does not import torch."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.stated.preregistered import Side, Study
from benchbench.leaderboard.stated.study_scores import PLAIN, Gaps, Place, Scores, bounded, by_seed, minus, size
from benchbench.leaderboard.statistics.budget_scale import crossing
from benchbench.leaderboard.views.scaling import told
from benchbench.leaderboard.views.text import bounds, compact, number, tabular
from benchbench.store.records import Record

#: What a row holds, of what is averaged over: all places across domains, or the sources themselves.
NAMES = ("score", "effect", "equal", "inside")


def answers_by_budget(study: Study, records: Iterable[Record]) -> Table:
    """One row per pretext, method and budget of a study that anything was trained for."""
    scores = Scores.of(records, study.design)
    across = scores.across()
    rows, curves = [], dict[tuple[str, str], dict[int, np.ndarray]]()
    for side in (side for side in study.design.sides() if side in scores.held):
        row, of_seeds = _row(side, scores, across)
        rows.append(row)
        if of_seeds is not None:
            curves.setdefault((side.pretext, side.meta), {})[side.samples] = of_seeds
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "pretext": lambda r: r["pretext"],
        "method": lambda r: r["meta"],
        "samples": lambda r: compact(r["samples"]),
        "FLOPs": lambda r: compact(r["flops"]),
        "score": lambda r: number(r["score"]),
        "equal samples": lambda r: bounds(r, "effect"),
        "equal FLOPs": lambda r: bounds(r, "equal"),
        "d (seeds)": lambda r: number(r["d_seeds"]),
        "d (episodes)": lambda r: number(r["d_episodes"]),
        "in domain": lambda r: bounds(r, "inside"),
    }
    notes = [
        "score: percent, across domains: averaged over the targets that are not the source, then over sources. equal "
        "samples: percentage points over plain training on as many samples, there, with a 95% interval (Student's over "
        "the seeds' effects); d: Cohen's of it, over seeds and over episodes. equal FLOPs: over plain training of as "
        "many FLOPs, interpolated between budgets on a logarithmic scale; – where it was never trained for as few or "
        "as many. in domain: at equal samples, on unseen classes of the source itself. – too where a seed, source or "
        "target is not there yet.",
    ]
    notes += [
        told(f"{pretext} × {meta}, at equal samples", crossing(list(curve), np.stack([*curve.values()], 1)))
        for (pretext, meta), curve in curves.items()
        if len(curve) > 1
    ]
    floors = [f"{floor} {mean:.2f}" for floor, mean in scores.floors_across().items()]
    notes += [f"Floors, averaged as scores are: {', '.join(floors)}."] if floors else []
    return tabular("What methods add, by budget", rows, columns, notes + scores.notes())


def _row(side: Side, scores: Scores, across: list[Place]) -> tuple[dict[str, Any], np.ndarray | None]:
    """The numbers of a row, and the effect of each seed at equal samples."""

    def at_equal_flops(place: Place, seed: int) -> np.ndarray | None:
        return minus(scores.at(side, place, seed), scores.plain_at_flops(side, place, seed))

    held: dict[str, Gaps] = {"score": scores.gaps(across, partial(scores.at, side))}
    if side.meta != PLAIN:
        held["effect"] = scores.gaps(across, partial(scores.over_plain, side))
        held["equal"] = scores.gaps(across, at_equal_flops)
        held["inside"] = scores.gaps(scores.inside(), partial(scores.over_plain, side))
    flops = [*scores.flops.get(side, {}).values()]
    row: dict[str, Any] = {**vars(side), "flops": float(np.mean(flops)) if flops else None}
    row |= {f"{name}{part}": None for name in NAMES for part in ("", "_low", "_high")}
    for name, gaps in held.items():
        if gaps:
            row |= bounded(by_seed(gaps), name)
    if not (effect := held.get("effect")):
        return row | {"d_seeds": None, "d_episodes": None}, None
    of_seeds = by_seed(effect)
    episodes = np.concatenate([np.mean(of_place, axis=0) for of_place in effect.values()])
    return row | {"d_seeds": size(of_seeds), "d_episodes": size(episodes)}, of_seeds
