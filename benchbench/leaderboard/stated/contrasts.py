"""The contrasts of a study, analysed as it says (`tasks/study.toml`, table `analysis`). Does not import torch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import stats

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.cells import cells_of
from benchbench.leaderboard.paired_scores import fractions
from benchbench.leaderboard.stated.findings import verdict
from benchbench.leaderboard.stated.preregistered import Contrast, Design, Pair, Side, Study
from benchbench.leaderboard.statistics.paired import holm
from benchbench.leaderboard.statistics.robust import average_interval
from benchbench.leaderboard.views.text import bounds, number, tabular
from benchbench.store.records import Record

#: A source and a target.
Place = tuple[str, str]


@dataclass(frozen=True)
class Scores:
    """Scores in percent (episodes,) by method and budget, place and seed; the best floor's mean by place; and what
    failed."""

    held: Mapping[Side, Mapping[Place, Mapping[int, np.ndarray]]]
    floors: Mapping[Place, float]
    failed: list[str]

    @classmethod
    def of(cls, records: Iterable[Record], design: Design) -> "Scores":
        """Those of a design among some records; of an earlier harness, or under another protocol, none counts. A
        training that failed scores at chance level."""
        held: dict[Side, dict[Place, dict[int, np.ndarray]]] = defaultdict(lambda: defaultdict(dict))
        floors: dict[Place, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        failed = []
        for c in cells_of(records)[0]:
            if c.protocol != design.protocol or c.earlier or c.origin != "own":
                continue
            if c.floor and c.ok:
                floors[c.source, c.target][f"{c.label} {c.backbone}"].append(100 * c.mean)
            elif c.budget and c.source in design.sources and c.seed in design.seeds:
                side = Side(pretext=c.pretext, meta=c.meta, samples=c.budget)
                if not c.ok:
                    failed.append(f"{c.label} on {c.source} at {side.samples:,} samples, seed {c.seed}: {c.target}")
                held[side][c.source, c.target][c.seed] = (
                    100 * fractions(c) if c.ok else np.full(design.episodes, 100 / (c.ways or 5))
                )
        best = {place: max(float(np.mean(means)) for means in of.values()) for place, of in floors.items()}
        return cls(held, best, sorted(failed))

    def lifted(self) -> set[Place]:
        """The places where some trained method's mean, less its 95% interval over seeds, is above both floors."""
        found = set()
        for of_side in self.held.values():
            for place, by_seed in of_side.items():
                means = np.array([scores.mean() for scores in by_seed.values()])
                mean, half = _interval(means)
                if len(means) > 1 and mean - half > self.floors.get(place, 0.0):
                    found.add(place)
        return found


def contrasts(study: Study, records: Iterable[Record]) -> Table:
    """One row per contrast of a study, in its order, none left out."""
    scores, design = Scores.of(records, study.design), study.design
    targets = sorted({target for of in scores.held.values() for _, target in of})
    places, lifted = [(s, t) for s, t in product(design.sources, targets)], scores.lifted()
    across = [(s, t) for s, t in places if s != t and (s, t) in lifted]
    rows = [_row(contrast, scores, design, across) for contrast in study.contrast]
    asked = [r for r in rows if r["p"] is not None]
    for r, p in zip(asked, holm([r["p"] for r in asked]), strict=True):
        r["p_holm"] = float(p)
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
    if left_out := [f"{s} to {t}" for s, t in places if (s, t) not in lifted]:
        notes.append(f"Left out, since nothing trained is above the floors there: {', '.join(left_out)}.")
    if scores.failed:
        notes.append(f"Failed, and counted at chance level: {'; '.join(scores.failed)}.")
    return tabular(f"Contrasts of the study {study.matrix}", rows, columns, notes)


def _row(contrast: Contrast, scores: Scores, design: Design, across: list[Place]) -> dict[str, Any]:
    empty = ("effect", "effect_low", "effect_high", "p", "p_holm", "p_ranks", "d_seeds", "d_episodes", "inside",
             "inside_low", "inside_high")  # fmt: skip
    low, high = contrast.expected
    row: dict[str, Any] = {"name": contrast.name, "claim": contrast.claim, "expected": f"{low:+g} to {high:+g}"}
    row |= {**dict.fromkeys(empty), "verdict": "not run"}
    gaps = _gaps(contrast, scores, design, across)
    if not gaps:
        return row
    by_seed = _by_seed(gaps)
    by_place = np.array([np.mean([of.mean() for of in of_place]) for of_place in gaps.values()])
    row |= _tested(by_seed, "effect")
    row |= {"p": float(stats.ttest_1samp(by_seed, 0).pvalue) if by_seed.std() else None, "d_seeds": _size(by_seed)}
    row["p_ranks"] = float(stats.wilcoxon(by_place).pvalue) if len(by_place) > 1 and by_place.any() else None
    episodes = np.concatenate([np.mean(of_place, axis=0) for of_place in gaps.values()])
    row["d_episodes"] = _size(episodes)
    if inside := _gaps(contrast, scores, design, [(s, s) for s in design.sources]):
        row |= _tested(_by_seed(inside), "inside")
    return row | {"verdict": verdict(contrast.expected, (row["effect_low"], row["effect_high"]))}


def _gaps(contrast: Contrast, scores: Scores, design: Design, places: list[Place]) -> dict[Place, list[np.ndarray]]:
    """The differences of each place: for every seed of the design, those of its episodes. Empty if anything of the
    contrast is not there: half of a study is no answer."""
    found: dict[Place, list[np.ndarray]] = defaultdict(list)
    for place, seed in product(places, design.seeds):
        parts = [scores.held.get(side, {}).get(place, {}).get(seed) for side in _sides(contrast)]
        if any(part is None or len(part) != design.episodes for part in parts):
            return {}
        first, second, *beyond = parts
        gap = first - second - (beyond[0] - beyond[1] if beyond else 0)  # type: ignore[operator]
        found[place].append(gap)
    return found


def _sides(contrast: Contrast) -> Iterator[Side]:
    pairs: list[Pair] = [contrast, *([contrast.beyond] if contrast.beyond else [])]
    for pair in pairs:
        yield from (pair.first, pair.second)


def _by_seed(gaps: Mapping[Place, list[np.ndarray]]) -> np.ndarray:
    """The effect of each seed: averaged over the targets of a source, then over sources."""
    sources: dict[str, list[list[float]]] = defaultdict(list)
    for (source, _), of_seeds in gaps.items():
        sources[source].append([float(gap.mean()) for gap in of_seeds])
    return np.mean([np.mean(of, axis=0) for of in sources.values()], axis=0)


def _interval(of_seeds: np.ndarray) -> tuple[float, float]:
    """The mean of a number a seed, and the half-width of its interval."""
    found = average_interval(of_seeds[:, None])
    return found.value, found.half or 0.0


def _tested(by_seed: np.ndarray, name: str) -> dict[str, float]:
    mean, half = _interval(by_seed)
    return {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}


def _size(values: np.ndarray) -> float | None:
    deviation = float(values.std(ddof=1))
    return float(values.mean()) / deviation if deviation else None
