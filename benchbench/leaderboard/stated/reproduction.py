"""Published numbers beside ours: which were reproduced, judged by bands stated beforehand. Does not import torch."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import EARLIER
from benchbench.leaderboard.stated.published import Published
from benchbench.leaderboard.statistics.intervals import Interval, hierarchical
from benchbench.store.records import Record

NOTES = (
    "published and ours: percent of correct queries. band: what counts as reproduced, stated before training; a "
    "verdict is about the mean alone.",
    "± episodes: 1.96 standard errors over the draw of test episodes, for these trainings. ± seeds: 95% interval over "
    "training seeds on these episodes; neither one seed nor seeds "
    "that agree exactly have one (–).",
    "not run: no record is there. failed: a training ended without a result. Every published number that is listed is "
    "shown, whatever became of it.",
    f"({EARLIER}): by records made before a change of the harness that moves results, and not yet again.",
    "train s: wall seconds of one training, the mean over seeds, which depend on the machine.",
)


def reproduction(records: Iterable[Record], published: list[Published]) -> Table:
    """One row per published number, in the given order, none left out."""
    held = list(records)
    shown, numbers = [], []
    for row in published:
        ours, earlier = row.cell.of(held)
        scored = by_seed(ours, f"{row.method}, {row.protocol}")
        found = hierarchical([r.scores["accuracy"].fractions() for r in scored]) if scored else None
        values = _values(row, scored, found, len(ours) - len(scored), earlier)
        numbers.append(values)
        shown.append({name: _shown(name, value) for name, value in values.items()})
    return Table(pd.DataFrame(shown), pd.DataFrame(numbers), notes=list(NOTES), title="Reproduction")


def by_seed(records: Iterable[Record], where: str) -> list[Record]:
    """The records that have scores, sorted by seed. Raises BenchbenchError if two share a seed."""
    scored = sorted((r for r in records if r.status == "ok"), key=lambda r: r.seed)
    if len({r.seed for r in scored}) < len(scored):
        raise BenchbenchError(f"{where}: several records of one seed: " + ", ".join(r.key[:12] for r in scored))
    return scored


def _values(row: Published, scored: list[Record], found: Interval | None, failed: int, earlier: bool) -> dict[str, Any]:
    seeds = found is not None and found.over == "seeds"
    seconds = [r.timing["train_seconds"] for r in scored if "train_seconds" in r.timing]
    return {
        "method": row.method,
        "protocol": row.protocol,
        "published": row.published,
        "band": f"{row.band[0]:.1f} to {row.band[1]:.1f}",
        "ours": found and 100 * found.mean,
        "± episodes": found and 196 * found.episode_se,
        "± seeds": 100 * found.half if found and seeds else None,
        "seeds": len(scored),
        "verdict": verdict(row, found, failed) + (f" ({EARLIER})" if earlier else ""),
        "train s": sum(seconds) / len(seconds) if seconds else None,
        "source": row.source,
    }


def verdict(row: Published, found: Interval | None, failed: int) -> str:
    """``within``, or by how many points the mean misses the band; if nothing was scored, why."""
    if found is None:
        return "failed" if failed else "not run"
    mean, (low, high) = 100 * found.mean, row.band
    outcome = "within"
    if mean < low:
        outcome = f"missed: {low - mean:.2f} below"
    elif mean > high:
        outcome = f"missed: {mean - high:.2f} above"
    return f"{outcome}; {failed} failed" if failed else outcome


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "train s":
        return f"{value:,.0f}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
