"""The contrasts of a study, analysed as it says (`tasks/study.toml`, table `analysis`). Does not import torch."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.stated.findings import verdict
from benchbench.leaderboard.stated.preregistered import Contrast, Pair, Study
from benchbench.leaderboard.stated.study_scores import Gaps, Place, Scores, bounded, by_seed, minus, size
from benchbench.leaderboard.statistics.paired import holm
from benchbench.leaderboard.views.text import bounds, number, tabular
from benchbench.store.records import Record


def contrasts(study: Study, records: Iterable[Record]) -> Table:
    """One row per contrast of a study, in its order, none left out."""
    scores = Scores.of(records, study.design)
    across = scores.across()
    rows = [_row(contrast, scores, across) for contrast in study.contrast]
    # What is not there yet counts as well: half of a study claims no more than the whole would.
    for r, p in zip(rows, holm([1.0 if r["p"] is None else r["p"] for r in rows]), strict=True):
        r["p_holm"] = None if r["p"] is None else float(p)
    columns = {
        "contrast": lambda r: f"{r['name']}: {r['claim']}",
        "expected": lambda r: r["expected"],
        "across domains": lambda r: bounds(r, "effect"),
        "p (Holm)": lambda r: number(r["p_holm"], 4),
        "p (signed ranks)": lambda r: number(r["p_ranks"], 4),
        "d (seeds)": lambda r: number(r["d_seeds"]),
        "d (episodes)": lambda r: number(r["d_episodes"]),
        "in domain": lambda r: bounds(r, "inside"),
        "verdict": lambda r: r["verdict"],
    }
    notes = [
        "across domains: percentage points with a 95% interval (Student's over the seeds' effects), paired on test "
        "episodes, averaged over the targets that are not the source, then over sources. in domain: on unseen classes "
        "of the source itself; never tested.",
        f"p (Holm): of the seeds' effects, corrected over the {len(study.contrast)} contrasts of the study. p (signed "
        "ranks): Wilcoxon's, over source and target, each averaged over seeds. d: Cohen's, over seeds and over "
        "episodes.",
        "verdict: of what was expected before the first training: it holds where the whole interval is within, and is "
        "contradicted where all of it is outside, else open.",
    ]
    return tabular("Contrasts written down beforehand", rows, columns, notes + scores.notes())


def _row(contrast: Contrast, scores: Scores, across: list[Place]) -> dict[str, Any]:
    empty = ("effect", "effect_low", "effect_high", "p", "p_holm", "p_ranks", "d_seeds", "d_episodes", "inside",
             "inside_low", "inside_high")  # fmt: skip
    low, high = contrast.expected
    row: dict[str, Any] = {"name": contrast.name, "claim": contrast.claim, "expected": f"{low:+g} to {high:+g}"}
    row |= {**dict.fromkeys(empty), "verdict": "not run"}
    gaps = _gaps(contrast, scores, across)
    if not gaps:
        return row
    of_seeds = by_seed(gaps)
    by_place = np.array([np.mean([of.mean() for of in of_place]) for of_place in gaps.values()])
    row |= bounded(of_seeds, "effect")
    row |= {
        "p": float(scipy.stats.ttest_1samp(of_seeds, 0).pvalue) if of_seeds.std() else None,
        "d_seeds": size(of_seeds),
    }
    row["p_ranks"] = float(scipy.stats.wilcoxon(by_place).pvalue) if len(by_place) > 1 and by_place.any() else None
    row["d_episodes"] = size(np.concatenate([np.mean(of_place, axis=0) for of_place in gaps.values()]))
    if inside := _gaps(contrast, scores, scores.inside()):
        row |= bounded(by_seed(inside), "inside")
    return row | {"verdict": verdict(contrast.expected, (row["effect_low"], row["effect_high"]))}


def _gaps(contrast: Contrast, scores: Scores, places: list[Place]) -> Gaps:
    """The differences of a contrast."""

    def of_pair(pair: Pair, place: Place, seed: int) -> np.ndarray | None:
        return minus(scores.at(pair.first, place, seed), scores.at(pair.second, place, seed))

    def found(place: Place, seed: int) -> np.ndarray | None:
        gap = of_pair(contrast, place, seed)
        return minus(gap, of_pair(contrast.beyond, place, seed)) if contrast.beyond else gap

    return scores.gaps(places, found)
