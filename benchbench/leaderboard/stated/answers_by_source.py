"""What every method of studies adds to plain training, source by source. Does not import torch."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.stated.preregistered import Side, Study
from benchbench.leaderboard.stated.study_scores import PLAIN, Scores, bounded, by_seed
from benchbench.leaderboard.views.text import bounds, compact, tabular
from benchbench.store.records import Record


def answers_by_source(studies: Iterable[Study], records: Iterable[Record]) -> Table:
    """One row per pretext, method and source of some studies, which may share some, with a column for each budget: an
    average over sources hides where they differ."""
    studies, records = list(studies), list(records)
    found: dict[tuple[str, ...], dict[str, Any]] = defaultdict(dict)
    for study in studies:
        for row in _rows(study, Scores.of(records, study.design)):
            found[row["pretext"], row["meta"], row["source"]] |= row
    rows = [*found.values()]
    first = {axis: list(dict.fromkeys(r[axis] for r in rows)) for axis in ("pretext", "meta", "source")}
    rows.sort(key=lambda r: [names.index(r[axis]) for axis, names in first.items()])
    budgets = sorted({samples for study in studies for samples in study.design.budgets})
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "pretext": lambda r: r["pretext"],
        "method": lambda r: r["meta"],
        "source": lambda r: r["source"],
    }
    columns |= {compact(n): partial(bounds, name=f"effect_{n}") for n in budgets}
    notes = [
        "By samples: percentage points over plain training on as many, averaged over the targets that are not the "
        "source, with a 95% interval (Student's over the seeds' effects). – is not there yet, or was never planned. "
        "Contrasts are averaged over sources; this shows where these differ, and tests nothing.",
    ]
    return tabular("What methods add, source by source", rows, columns, notes)


def _rows(study: Study, scores: Scores) -> Iterator[dict[str, Any]]:
    design, across = study.design, scores.across()
    methods = [meta for meta in design.methods if meta != PLAIN]
    for pretext, meta, source in product(design.pretexts, methods, design.sources):
        places = [place for place in across if place[0] == source]
        effects: dict[str, float] = {}
        for samples in design.budgets:
            side = Side(pretext=pretext, meta=meta, samples=samples)
            if gaps := scores.gaps(places, partial(scores.over_plain, side)):
                effects |= bounded(by_seed(gaps), f"effect_{samples}")
        if effects:
            yield {"pretext": pretext, "meta": meta, "source": source, **effects}
