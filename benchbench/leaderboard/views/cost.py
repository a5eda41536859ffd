"""Accuracy against what it costs."""

import math
from typing import Any

from benchbench.leaderboard.aggregate import Table, costs, marked, marks
from benchbench.leaderboard.grid import Grid, Row, average_ranks, names, ordered
from benchbench.leaderboard.notes import claims
from benchbench.leaderboard.views.text import compact, number, tabular

#: The costs in a row's numbers, and their names in tables. Labels are none or all of the source's.
COSTS = {"train_seconds": "seconds", "flops": "FLOPs", "parameters": "parameters", "labels_used": "labels"}


def pareto(found: Grid) -> Table:
    """Accuracy, averaged over the columns, against training seconds, FLOPs, parameters and labels, with the front of
    each: the methods that no other beats in accuracy or cost without losing in the other."""
    rows = paid(found)
    fronts = {what: _front(rows, what) for what in COSTS}
    for place, row in enumerate(rows):
        row["front"] = [what for what in COSTS if place in fronts[what]]
        row |= {f"front_{what}": what in row["front"] for what in COSTS}
    columns = {
        "method": lambda r: r["method"],
        "accuracy": lambda r: number(r["accuracy"]),
        "train s": lambda r: number(r["train_seconds"], 0),
        "FLOPs": lambda r: compact(r["flops"]),
        "parameters": lambda r: compact(r["parameters"]),
        "labels": lambda r: r["labels"],
        "selection labels": lambda r: r["selection_labels"],
        "on the front of": lambda r: ", ".join(COSTS[what] for what in r["front"]) or "–",
    }
    shown = tabular("Accuracy against cost", rows, columns, [])
    notes = [
        f"accuracy: percent, the plain mean over {len(found.columns)} columns: {', '.join(found.columns)}.",
        "on the front of: no other method is at least as accurate and at most as costly, and better in one of the two. "
        "Differences that the intervals do not separate count here: the front is a description, no test.",
        "FLOPs: of training, counted. train s: wall seconds, which depend on the machine. labels: the source's true "
        "labels, none or all of them.",
    ]
    if lacking := [text for row, text in names(found).items() if not found.complete(row)]:
        notes.append(f"Left out, since a mean over other columns would not compare: {', '.join(sorted(lacking))}.")
    numbers = shown.numbers.drop(columns="front", errors="ignore")
    return Table(shown.rows, numbers, notes=[*notes, *claims(found)], title=shown.title)


def paid(found: Grid) -> list[dict[str, Any]]:
    """Mean accuracy and costs of every row that has a score in every column, in the leaderboard's order."""
    text, rows = names(found), []
    for row in ordered(found, average_ranks(found)):
        if found.columns and found.complete(row):
            members = found.members[row]
            numbers = {
                "method": text[row],
                "marked": marked(row, members),
                **row._asdict(),
                "accuracy": average(found, row),
            }
            numbers |= {"floor": members[0].floor, **costs(members), **marks(members)}
            rows.append(numbers | {"labels_used": int(numbers["labels"] in ("source", "weights"))})
    return rows


def average(found: Grid, row: Row) -> float:
    """The plain mean over all columns, for a row that has them all."""
    scores = found.scores[row]
    return math.fsum(scores[column].mean for column in found.columns) / len(found.columns)


def _front(rows: list[dict[str, Any]], what: str) -> set[int]:
    """The places of the rows with such a cost that no other beats: in accuracy without paying more, or in cost without
    losing accuracy."""
    places = [i for i, row in enumerate(rows) if row[what] is not None]
    found: set[int] = set()
    best = cheapest = -math.inf
    # The cheapest first; of equal cost, the most accurate, which only those as accurate share the front with.
    for i in sorted(places, key=lambda i: (rows[i][what], -rows[i]["accuracy"])):
        accuracy, cost = rows[i]["accuracy"], rows[i][what]
        if accuracy > best or (accuracy, cost) == (best, cheapest):
            found.add(i)
            best, cheapest = accuracy, cost
    return found
