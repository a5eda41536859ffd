"""What every method of a study adds to plain training, source by source. Does not import torch."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.stated.preregistered import Side, Study
from benchbench.leaderboard.stated.study_scores import PLAIN, Scores, bounded, by_seed
from benchbench.leaderboard.views.text import bounds, compact, tabular
from benchbench.store.records import Record


def answers_by_source(study: Study, records: Iterable[Record]) -> Table:
    """One row per pretext, method and source of a study, with a column for each budget: an average over sources hides
    where they differ."""
    design = study.design
    scores = Scores.of(records, design)
    across, rows = scores.across(), []
    for pretext, meta, source in product(design.pretexts, design.methods, design.sources):
        places = [place for place in across if place[0] == source]
        row: dict[str, Any] = {"pretext": pretext, "meta": meta, "source": source}
        for samples in design.budgets:
            side = Side(pretext=pretext, meta=meta, samples=samples)
            if gaps := scores.gaps(places, partial(scores.over_plain, side)):
                row |= bounded(by_seed(gaps), f"effect_{samples}")
        if meta != PLAIN and len(row) > 3:
            rows.append(row)
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "pretext": lambda r: r["pretext"],
        "method": lambda r: r["meta"],
        "source": lambda r: r["source"],
    }
    columns |= {compact(n): partial(bounds, name=f"effect_{n}") for n in design.budgets}
    notes = [
        "By samples: percentage points over plain training on as many, averaged over the targets that are not the "
        "source, with a 95% interval (Student's over the seeds' effects). – is not there yet, or was never planned. "
        "Contrasts are averaged over sources; this shows where these differ, and tests nothing.",
    ]
    return tabular("What methods add, source by source", rows, columns, notes)
