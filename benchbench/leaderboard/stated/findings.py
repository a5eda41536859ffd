"""Published findings beside our own: differences between methods, with the sign or size stated beforehand. Does not
import torch."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.grid import EARLIER, MISSING
from benchbench.leaderboard.stated.published import Comparison, Finding
from benchbench.leaderboard.stated.reproduction import by_seed
from benchbench.leaderboard.statistics.paired import Difference, paired_difference
from benchbench.leaderboard.views.text import bounds, tabular
from benchbench.revisions import is_earlier
from benchbench.store.records import Record

NOTES = [
    "ours: the difference in accuracy, in percentage points with a 95% interval, paired on the same test episodes, and "
    "on training seeds where both have the same. Where a finding is about one difference beyond another, their "
    "difference.",
    "verdict: holds where the whole interval is within what is expected, contradicted where all of it is outside, else "
    "open.",
    "over: episodes where a single training seed stands behind it, which makes it a difference between trainings, not "
    "between methods.",
    f"({EARLIER}): by records made before a change of the harness that moves results, not all of them made again yet. "
    "Where no one harness made all parts of a finding, it counts as not run.",
    "history: what the verdict was before a change of ours turned it, and which.",
]

#: Scores in percent, (seeds, episodes), the seed of each row, and the episodes' hash.
Scores = tuple[np.ndarray, list[int], str | None]


def findings(records: Iterable[Record], stated: list[Finding]) -> Table:
    """One row per published finding, in the given order, none left out."""
    held = list(records)
    return tabular(
        "Findings",
        [_row(finding, *_difference(held, finding)) for finding in stated],
        {
            "finding": lambda r: r["finding"],
            "expected": lambda r: r["expected"],
            "ours": lambda r: bounds(r, "ours"),
            "over": lambda r: r["over"] or MISSING,
            "seeds": lambda r: str(r["seeds"]),
            "verdict": lambda r: r["verdict"],
            "source": lambda r: r["source"],
            "history": lambda r: r["history"] or MISSING,
        },
        NOTES,
    )


def _row(finding: Finding, found: Difference | None, earlier: bool) -> dict[str, Any]:
    low, high = finding.expected
    return {
        "finding": finding.claim,
        "expected": f"{low:+g} to {high:+g}",
        "ours": found and found.mean,
        "ours_low": found and found.low,
        "ours_high": found and found.high,
        "over": found and found.over,
        "seeds": found.seeds if found else 0,
        "verdict": verdict(finding.expected, (found.low, found.high) if found else None)
        + (f" ({EARLIER})" if earlier else ""),
        "source": finding.source,
        "history": finding.history,
    }


def verdict(expected: list[float], interval: tuple[float, float] | None) -> str:
    """``holds``, ``contradicted`` or ``open``, by the interval found; ``not run`` without one."""
    if interval is None:
        return "not run"
    (least, most), (low, high) = expected, interval
    if least <= low and high <= most:
        return "holds"
    return "contradicted" if high < least or most < low else "open"


def _difference(records: list[Record], finding: Finding) -> tuple[Difference | None, bool]:
    """First minus second, less the same difference of the comparison `beyond`, if any, and whether an earlier harness
    made them; None if a part was not run, or not by the same harness as the others.

    Raises BenchbenchError if the parts were not scored on the same episodes.
    """
    compared: list[Comparison] = [finding, *([finding.beyond] if finding.beyond else [])]
    cells = [cell for comparison in compared for cell in (comparison.first, comparison.second)]
    parts = [cell.of(records) for cell in cells]
    if len({old for _, old in parts}) > 1:
        # Today's harness made some of them alone; the earlier one may have made all.
        before = [r for r in records if is_earlier(r.content.get("harness", {}))]
        parts = [cell.of(before) for cell in cells]
    scores = [_scores(found, finding.claim) for found, _ in parts]
    held = [s for s in scores if s is not None]
    earlier = any(old for _, old in parts)
    if len(held) < len(scores):
        return None, False
    if len({episodes for _, _, episodes in held}) > 1:
        raise BenchbenchError(f"finding {finding.claim!r}: its parts were not scored on the same episodes")
    if not finding.beyond:
        (a, seeds_a, _), (b, seeds_b, _) = held
        return paired_difference(a, b, seeds_a=seeds_a, seeds_b=seeds_b), earlier
    seeds = sorted(set.intersection(*(set(own) for _, own, _ in held)))
    if not seeds:
        raise BenchbenchError(f"finding {finding.claim!r}: its parts share no training seed")
    a, b, c, d = (table[[own.index(seed) for seed in seeds]] for table, own, _ in held)
    # (a - b) - (c - d), with the pairing of all four.
    return paired_difference(a - c, b - d, seeds_a=seeds, seeds_b=seeds), earlier


def _scores(records: list[Record], where: str) -> Scores | None:
    scored = by_seed(records, where)
    if not scored:
        return None
    table = 100 * np.array([r.scores["accuracy"].fractions() for r in scored])
    return table, [r.seed for r in scored], scored[0].episodes_hash
