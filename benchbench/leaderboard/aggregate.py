"""Records -> one row a method, one column a target and protocol."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from scipy import stats

from benchbench.keys import content_key
from benchbench.leaderboard.notes import notes
from benchbench.records import Record, Summary

Columns = Callable[[list[Record]], dict[str, str]]
MISSING = "–"

#: Of a record's content, what belongs to one seed or one cell, or is only known once it was scored.
VOLATILE = {"seed", "stages", "target", "protocol", "source_pixels", "training_ways", "norm"}


@dataclass(frozen=True, order=True)
class Row:
    """What is compared. `variant` is empty unless the store holds this method with several settings."""

    pretext: str
    meta: str
    backbone: str
    regime: str
    source: str
    variant: str = ""


@dataclass(frozen=True)
class Score:
    """A method on one target: mean and half-width of its 95% interval, in percent, over episodes or over seeds."""

    mean: float
    interval: float | None
    seeds: int
    failed: int = 0

    def __str__(self) -> str:
        if not self.seeds:
            return "failed"
        return f"{self.mean:.2f} ± {self.interval:.2f}" + ("†" if self.failed else "")


Scores = dict[tuple[Row, str], Score]


@dataclass
class Table:
    """The leaderboard: `rows` as text for people, `numbers` for programs, `notes` that both must be read with;
    `cells`: row -> column -> the records behind it, in the order of `rows`."""

    rows: pd.DataFrame
    numbers: pd.DataFrame
    scores: Scores
    cells: dict[Row, dict[str, list[Record]]]
    notes: list[str] = field(default_factory=list)


def aggregate(records: Iterable[Record], columns: Columns | None = None) -> Table:
    """The leaderboard of some records, whatever their order. Rows are ordered by average rank, then by name.

    With one seed an interval is over test episodes of one training; with several it is Student's over seeds, and the
    mean is the mean of the seeds' means. Ranks share ties and are over the columns that a row has.
    """
    unique = sorted({r.key: r for r in records}.values(), key=lambda r: r.key)
    titles = _titles(unique)
    names = sorted(set(titles.values()))
    rows = _group(unique, titles)
    cells: dict[Row, dict[str, list[Record]]] = {}
    for row, members in rows.items():
        columned: dict[str, list[Record]] = defaultdict(list)
        for r in members:
            columned[titles[r.key]].append(r)
        cells[row] = {name: columned[name] for name in sorted(columned)}
    scores: Scores = {(row, name): _score(cell) for row, cell_of in cells.items() for name, cell in cell_of.items()}
    ranks = _ranks(list(rows), names, scores)
    order = sorted(rows, key=lambda row: (math.inf if math.isnan(ranks[row]) else round(ranks[row], 9), row))
    sourced = len({r.source for r in unique}) > 1
    text, numbers = [], []
    for row in order:
        extra = columns(rows[row]) if columns else {}
        costs = _costs(rows[row])
        text.append(_as_text(row, rows[row], names, scores, ranks[row], costs, sourced) | extra)
        numbers.append(_as_numbers(row, rows[row], names, scores, ranks[row], costs) | extra)
    frame = pd.DataFrame(text)
    if len(frame):
        frame = frame.fillna(MISSING)
        if not any(row.variant for row in rows):
            frame = frame.drop(columns="variant")
    partial = any(s.failed and s.seeds for s in scores.values())
    seeds = {s.seeds for s in scores.values() if s.seeds}
    return Table(
        frame,
        pd.DataFrame(numbers),
        scores,
        {row: cells[row] for row in order},
        notes(unique, titles, seeds, partial, any(r.variant for r in rows)),
    )


def summary(record: Record) -> Summary:
    """The summary of the metric that tables show: accuracy, else the first by name."""
    return record.summary["accuracy" if "accuracy" in record.summary else min(record.summary)]


def _titles(records: list[Record]) -> dict[str, str]:
    """Column of each record. Targets or protocols of one name but other settings get columns of their own."""
    meant: dict[str, dict[str, str]] = defaultdict(dict)
    for r in records:
        meant[f"{r.target} {r.protocol}"][r.key] = _variant({k: r.content.get(k) for k in ("target", "protocol")})
    return {
        key: title if len(set(variants.values())) == 1 else f"{title} [{variant}]"
        for title, variants in meant.items()
        for key, variant in variants.items()
    }


def _variant(content: dict[str, Any]) -> str:
    # What is only known after scoring is absent in a failed record, which belongs beside the others.
    target = content.get("target")
    if isinstance(target, dict):
        content = {**content, "target": {k: v for k, v in target.items() if k not in ("fingerprint", "pixels")}}
    return content_key(content)[:6]


def _group(records: list[Record], titles: dict[str, str]) -> dict[Row, list[Record]]:
    """Records by row. Where two records claim one place (other settings of one method), the row is split by settings:
    picking one of them, or averaging over them, would be silent."""
    sources = {r.source for r in records}
    groups: dict[Row, list[Record]] = defaultdict(list)
    for r in records:
        # An untrained encoder has no source: its rows would only repeat.
        source = "" if r.flags.floor or len(sources) == 1 else r.source
        m = r.method
        groups[Row(m.pretext, m.meta, m.backbone, "" if r.flags.floor else m.regime, source)].append(r)
    rows: dict[Row, list[Record]] = defaultdict(list)
    for row, members in groups.items():
        contested = len({(titles[r.key], r.seed) for r in members}) < len(members)
        for r in members:
            settings = {k: v for k, v in r.content.items() if k not in VOLATILE}
            variant = _variant(settings) if contested else ""
            rows[Row(row.pretext, row.meta, row.backbone, row.regime, row.source, variant)].append(r)
    return rows


def _score(cell: list[Record]) -> Score:
    good = {r.seed: summary(r) for r in cell if r.status == "ok"}
    failed = len({r.seed for r in cell} - set(good))
    if not good:
        return Score(math.nan, None, 0, failed)
    means = [100 * s.mean for s in good.values()]
    mean = math.fsum(means) / len(means)
    if len(means) == 1:
        return Score(mean, 100 * next(iter(good.values())).ci95, 1, failed)
    spread = math.sqrt(math.fsum((m - mean) ** 2 for m in means) / (len(means) - 1) / len(means))
    return Score(mean, float(stats.t.ppf(0.975, len(means) - 1) * spread), len(means), failed)


def _ranks(rows: list[Row], names: list[str], scores: Scores) -> dict[Row, float]:
    collected: dict[Row, list[float]] = {row: [] for row in rows}
    for name in names:
        present = [row for row in rows if (row, name) in scores and scores[row, name].seeds]
        # Rounded: means that are equal but for the order of a sum share a rank.
        means = pd.Series([round(scores[row, name].mean, 9) for row in present], dtype=float)
        for row, rank in zip(present, means.rank(ascending=False, method="average"), strict=True):
            collected[row].append(float(rank))
    return {row: math.fsum(r) / len(r) if r else math.nan for row, r in collected.items()}


@dataclass(frozen=True)
class _Costs:
    parameters: int | None
    samples: int | None
    seconds: float | None


def _costs(members: list[Record]) -> _Costs:
    good = [r for r in members if r.status == "ok"]
    cost = next((r.cost for r in good if r.cost), None)
    seconds = list({r.training_key: r.timing.get("train_seconds", 0.0) for r in good}.values())
    mean = math.fsum(seconds) / len(seconds) if seconds else None
    return _Costs(cost.parameters if cost else None, cost.samples if cost else None, mean)


def _marks(members: list[Record]) -> dict[str, str]:
    # A failed record cannot know them.
    good = [r.flags for r in members if r.status == "ok"]
    if not good:
        return {"labels": MISSING, "transductive": MISSING}
    return {
        "labels": "source" if any(f.labels == "source" for f in good) else "none",
        "transductive": "yes" if any(f.transductive for f in good) else "no",
    }


def _as_text(
    row: Row, members: list[Record], names: list[str], scores: Scores, rank: float, costs: _Costs, sourced: bool
) -> dict[str, Any]:
    floor = any(r.flags.floor for r in members)
    complete = all((row, n) in scores and scores[row, n].seeds for n in names)
    return {
        "method": f"{row.pretext} × {row.meta}" + (" (floor)" if floor else ""),
        "backbone": row.backbone,
        "regime": row.regime or MISSING,
        **({"source": row.source or MISSING} if sourced else {}),
        "variant": row.variant or MISSING,
        **{n: str(scores[row, n]) if (row, n) in scores else MISSING for n in names},
        "rank": MISSING if math.isnan(rank) else f"{rank:.2f}" + ("" if complete else "*"),
        "parameters": MISSING if costs.parameters is None else f"{costs.parameters:,}",
        "samples": MISSING if costs.samples is None else f"{costs.samples:,}",
        "train s": MISSING if costs.seconds is None else f"{costs.seconds:.0f}",
        **_marks(members),
    }


def _as_numbers(
    row: Row, members: list[Record], names: list[str], scores: Scores, rank: float, costs: _Costs
) -> dict[str, Any]:
    found: dict[str, Any] = {**vars(row), "floor": any(r.flags.floor for r in members)}
    for name in names:
        score = scores.get((row, name))
        state = "missing" if score is None else "ok" if score.seeds else "failed"
        mean, interval = (
            (round(score.mean, 6), round(score.interval or 0, 6)) if score and score.seeds else (None, None)
        )
        found |= {name: mean, f"{name} ci95": interval, f"{name} seeds": score.seeds if score else 0}
        found[f"{name} status"] = state
    found |= {"rank": None if math.isnan(rank) else round(rank, 6)}
    return (
        found
        | {"parameters": costs.parameters, "samples": costs.samples, "train_seconds": costs.seconds}
        | _marks(members)
    )
