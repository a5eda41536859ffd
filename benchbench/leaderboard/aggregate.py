"""Records -> one row a method, one column a target and protocol."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pandas as pd
from scipy import stats

from benchbench.records import Record

Columns = Callable[[list[Record]], dict[str, str]]


@dataclass(frozen=True)
class Score:
    """A method on one target: mean and half-width of its 95% interval, in percent, over episodes or over seeds."""

    mean: float
    interval: float | None
    seeds: int
    failed: bool = False

    def __str__(self) -> str:
        if self.failed:
            return "failed"
        return f"{self.mean:.2f}" if self.interval is None else f"{self.mean:.2f} ± {self.interval:.2f}"


@dataclass
class Table:
    """The leaderboard: `rows` as text for people, `scores` for computation, `notes` that it must be read with."""

    rows: pd.DataFrame
    scores: dict[tuple[str, str], Score]
    notes: list[str] = field(default_factory=list)


def aggregate(records: Iterable[Record], columns: Columns | None = None) -> Table:
    """The leaderboard of some records, whatever their order. Rows are ordered by average rank, then by name.

    With one seed an interval is over test episodes of one training; with several it is Student's over seeds, and the
    mean is the mean of the seeds' means. Ranks share ties and are over the columns that a row has.
    """
    unique = sorted({r.key: r for r in records}.values(), key=lambda r: r.key)
    sources = sorted({r.source for r in unique})
    rows: dict[tuple[str, str, str, str, str], list[Record]] = defaultdict(list)
    for r in unique:
        # An untrained encoder has no source: its rows would only repeat.
        source = "" if r.flags.floor or len(sources) == 1 else r.source
        rows[r.method.pretext, r.method.meta, r.method.backbone, r.method.regime, source].append(r)
    names = sorted({_column(r) for r in unique})
    scores: dict[tuple[str, str], Score] = {}
    for key, members in rows.items():
        for name in names:
            cell = [r for r in members if _column(r) == name]
            if cell:
                scores["|".join(key), name] = _score(cell)
    ranks = _ranks(["|".join(k) for k in rows], names, scores)
    table = []
    for key, members in rows.items():
        label = "|".join(key)
        table.append(_row(key, members, names, scores, ranks[label], len(sources) > 1, columns))
    frame = pd.DataFrame(table)
    if len(frame):
        frame = frame.sort_values(["_order", "method", "backbone"], kind="stable").drop(columns="_order")
        frame = frame.reset_index(drop=True)
    return Table(frame, scores, _notes(unique))


def _column(r: Record) -> str:
    return f"{r.target} {r.protocol}"


def _score(cell: list[Record]) -> Score:
    good = {r.seed: r for r in cell if r.status == "ok"}
    if not good:
        return Score(math.nan, None, 0, failed=True)
    summaries = [next(iter(r.summary.values())) for r in good.values()]
    means = [100 * s.mean for s in summaries]
    if len(means) == 1:
        return Score(means[0], 100 * summaries[0].ci95, 1)
    spread = pd.Series(means).std(ddof=1) / math.sqrt(len(means))
    return Score(math.fsum(means) / len(means), float(stats.t.ppf(0.975, len(means) - 1) * spread), len(means))


def _ranks(rows: list[str], names: list[str], scores: dict[tuple[str, str], Score]) -> dict[str, float]:
    collected: dict[str, list[float]] = {row: [] for row in rows}
    for name in names:
        present = {r: scores[r, name].mean for r in rows if (r, name) in scores and not scores[r, name].failed}
        for row, rank in pd.Series(present, dtype=float).rank(ascending=False, method="average").items():
            collected[str(row)].append(float(rank))
    return {row: math.fsum(r) / len(r) if r else math.nan for row, r in collected.items()}


def _row(
    key: tuple[str, ...],
    members: list[Record],
    names: list[str],
    scores: dict[tuple[str, str], Score],
    rank: float,
    with_source: bool,
    columns: Columns | None,
) -> dict[str, object]:
    pretext, meta, backbone, regime, source = key
    good = [r for r in members if r.status == "ok"]
    label = "|".join(key)
    floor = any(r.flags.floor for r in good)
    missing = any((label, n) not in scores or scores[label, n].failed for n in names)
    row: dict[str, object] = {
        "_order": math.inf if math.isnan(rank) else rank,
        "method": f"{pretext} × {meta}" + (" (floor)" if floor else ""),
        "backbone": backbone,
        "regime": "–" if floor else regime,
    }
    if with_source:
        row["source"] = source or "–"
    row |= {n: str(scores[label, n]) if (label, n) in scores else "–" for n in names}
    row["rank"] = "–" if math.isnan(rank) else f"{rank:.2f}" + ("*" if missing else "")
    trained = {r.training_key: r for r in good}.values()
    row["parameters"] = f"{good[0].cost.parameters:,}" if good and good[0].cost else "–"
    row["samples"] = f"{good[0].cost.samples:,}" if good and good[0].cost else "–"
    seconds = [r.timing.get("train_seconds", 0.0) for r in trained]
    row["train s"] = f"{math.fsum(seconds) / len(seconds):.0f}" if seconds else "–"
    row["labels"] = "source" if any(r.flags.labels == "source" for r in good) else "none"
    row["transductive"] = "yes" if any(r.flags.transductive for r in good) else "no"
    if columns:
        row |= columns(members)
    return row


def _notes(records: list[Record]) -> list[str]:
    good = [r for r in records if r.status == "ok"]
    seeds = len({r.seed for r in good})
    counts = sorted({s.n for r in good for s in r.summary.values()})
    over = (
        f"Student's 95% over {seeds} training seeds"
        if seeds > 1
        else "95% over test episodes of one training (1.96 standard errors); it says nothing of other training seeds"
    )
    notes = [
        f"Accuracy in percent, mean ± interval: {over}. Test episodes a cell: {', '.join(map(str, counts))}, the same "
        "for every method.",
        "rank: average over the columns, ties shared"
        + ("; * over the columns that are there" if records else "")
        + ".",
        "labels: whose true labels training read. transductive: a query's score may depend on the other queries, "
        "through batch statistics. (floor): not trained. samples: views that entered a loss. train s: wall seconds "
        "of training, which depend on the machine.",
    ]
    for key, what in (("torch", "torch versions"), ("device", "kinds of device")):
        seen = sorted({str(r.environment.get(key, "?")) for r in good})
        if len(seen) > 1:
            notes.append(f"Mixed {what}: {', '.join(seen)}.")
    if failed := sorted({f"{r.method.label} ({r.method.backbone}): {r.reason}" for r in records if r.status != "ok"}):
        notes += [f"Failed: {line}" for line in failed]
    selections = sorted({r.flags.selection for r in good})
    if selections and selections != ["last"]:
        notes.append(f"Checkpoint selection: {', '.join(selections)}.")
    return notes
