"""What explains the scores: measures of each representation beside its score, target by target."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, names
from benchbench.leaderboard.views.text import number, tabular
from benchbench.store.records import Record

#: The pretext that learns from true labels: other representations are compared with its own.
ORACLE = "labels"
#: The one measure of two records: centred kernel alignment with the oracle.
CKA = "cka"
#: Units of the metrics that explain a score (`benchbench.store.records.Metric`).
MEASURE, PAIRS = "target", "pair"

#: Seed -> record.
Seeds = dict[int, Record]


def diagnostics(found: Grid) -> Table:
    """Score, measures of the representation and CKA to the supervised oracle of every row, in every column whose
    records hold such measures; means over seeds."""
    rows = explained(found)
    columns: dict[str, Any] = {
        "target and protocol": lambda r: r["column"],
        "method": lambda r: r["method"],
        "score": lambda r: number(r["score"]),
    }
    for name in measures(rows):
        columns[name.replace("_", " ")] = lambda r, n=name: _shown(r, n)
    shown = tabular("Diagnostics", rows, columns, []).rows
    flat = [{k: v for k, v in r.items() if k != "measures"} | r["measures"] for r in rows]
    notes = [
        "Measures of features of the target's fit part, or of a learner's probabilities: they explain scores and rank "
        "nothing. Means over seeds.",
        "effective rank: how many directions the features fill (Roy & Vetterli 2007). alignment: the mean squared "
        "distance of two images of a class on the unit sphere; uniformity: how evenly all images fill it, lower being "
        "more so (Wang & Isola 2020). within variance: the share of the variance that lies within classes (Papyan et "
        "al. 2020). ece: by how much a learner's probabilities of queries miss its share of right answers (Guo et al. "
        "2017).",
    ]
    if CKA in measures(rows):
        notes.append(
            "cka: linear centred kernel alignment (Kornblith et al. 2019) with the column's oracle, the best of the "
            f"methods whose pretext is {ORACLE}: 1 for the same representation but for turns and scale, about 0 for "
            "unrelated ones. The estimator is unbiased in its parts (Nguyen et al. 2021), so it may fall below 0. The "
            "same training seed of both is taken where there is one."
        )
    if left := sorted(set(found.columns) - {r["column"] for r in rows}):
        notes.append(f"Without measures, and not shown: {', '.join(left)}.")
    return Table(shown, tabular("Diagnostics", flat, {}, []).numbers, notes=notes, title="Diagnostics")


def _shown(row: dict[str, Any], name: str) -> str:
    return "oracle" if name == CKA and row["oracle"] else number(row["measures"].get(name), 3)


def explained(found: Grid) -> list[dict[str, Any]]:
    """The numbers of the view, the best score of a column first; `measures` by name, including `CKA` if an oracle was
    measured on the same images."""
    text, rows = names(found), []
    for column in found.columns:
        held = {row: seeds for row, of_row in found.cells.items() if (seeds := measured(of_row.get(column, [])))}
        scores = {row: score.mean for row in held if (score := found.scored(row, column))}
        order = sorted(held, key=lambda row: (-round(scores[row], 9), row))
        oracle = next((row for row in order if row.pretext == ORACLE), None)
        for row in order:
            numbers = {"column": column, "method": text[row], **row._asdict(), "score": scores[row]}
            numbers |= {"seeds": len(held[row]), "oracle": row == oracle, "measures": _means(held[row])}
            if oracle and row != oracle and (alike := _alike(held[row], held[oracle])) is not None:
                numbers["measures"][CKA] = alike
            rows.append(numbers)
    return rows


def measures(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The names of all measures that some row has, `CKA` last."""
    return sorted({name for r in rows for name in r["measures"]}, key=lambda name: (name == CKA, name))


def measured(cells: Iterable[Cell]) -> Seeds:
    """The records with measures among those of some cells, by seed; if a seed has several, the first by key."""
    seeds = {
        c.seed: c.record
        for c in reversed(list(cells))
        if c.ok and c.record and any(m.unit == MEASURE for m in c.record.scores.values())
    }
    return dict(sorted(seeds.items()))


def _means(seeds: Seeds) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for record in seeds.values():
        for name, metric in record.scores.items():
            if metric.unit == MEASURE:
                values.setdefault(name, []).append(record.summary[name].mean)
    return {name: math.fsum(v) / len(v) for name, v in values.items()}


def _alike(seeds: Seeds, oracle: Seeds) -> float | None:
    first = next(iter(oracle.values()))
    found = [value for seed, r in seeds.items() if (value := cka(r, oracle.get(seed, first))) is not None]
    return math.fsum(found) / len(found) if found else None


def cka(a: Record, b: Record) -> float | None:
    """Linear CKA of two records' representations of the same images: the cosine between their similarities of image
    pairs. None if a record holds no similarities, if the images differ, or if one representation is the same for all
    images."""
    x, y = _pairs(a), _pairs(b)
    if x is None or y is None or len(x) != len(y) or a.episodes_hash != b.episodes_hash:
        return None
    length = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / length if length else None


def _pairs(record: Record) -> np.ndarray | None:
    return next((np.array(m.values, np.float64) for m in record.scores.values() if m.unit == PAIRS), None)
