"""The scores of a study's design, and effects between them as the study says to average them. Does not import torch."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchbench.leaderboard.cells import cells_of
from benchbench.leaderboard.paired_scores import fractions
from benchbench.leaderboard.stated.preregistered import Design, Side
from benchbench.leaderboard.statistics.budget_scale import around
from benchbench.leaderboard.statistics.robust import average_interval
from benchbench.store.records import Record

#: The method that others are held against.
PLAIN = "plain"
#: A source and a target.
Place = tuple[str, str]
#: Numbers of every episode, for each seed of a place.
Gaps = Mapping[Place, list[np.ndarray]]


@dataclass(frozen=True)
class Scores:
    """Scores in percent (episodes,) by method and budget, place and seed; the FLOPs of a training by method, budget and
    source; each floor's mean by place; and what failed."""

    design: Design
    held: Mapping[Side, Mapping[Place, Mapping[int, np.ndarray]]]
    flops: Mapping[Side, Mapping[str, int]]
    floors: Mapping[str, Mapping[Place, float]]
    failed: list[str]

    @classmethod
    def of(cls, records: Iterable[Record], design: Design) -> "Scores":
        """Those of a design among some records; of an earlier harness, or under another protocol, none counts. A
        training that failed scores at chance level."""
        held: dict[Side, dict[Place, dict[int, np.ndarray]]] = defaultdict(lambda: defaultdict(dict))
        floors: dict[str, dict[Place, list[float]]] = defaultdict(lambda: defaultdict(list))
        flops: dict[Side, dict[str, int]] = defaultdict(dict)
        weights: dict[str, set[int]] = defaultdict(set)
        failed = []
        for c in cells_of(records)[0]:
            if c.protocol != design.protocol or c.earlier or c.origin != "own":
                continue
            if c.ok and c.parameters:
                weights[c.source].add(c.parameters)
            if c.floor and c.ok:
                floors[f"{c.label} ({c.backbone})"][c.source, c.target].append(100 * c.mean)
            elif c.budget and c.source in design.sources and c.seed in design.seeds:
                side = Side(pretext=c.pretext, meta=c.meta, samples=c.budget)
                if not c.ok:
                    failed.append(f"{c.label} on {c.source} at {side.samples:,} samples, seed {c.seed}: {c.target}")
                if c.flops:
                    flops[side][c.source] = c.flops
                held[side][c.source, c.target][c.seed] = (
                    100 * fractions(c) if c.ok else np.full(design.episodes, 100 / (c.ways or 5))
                )
        means = {floor: _for_all(places, design.sources, weights) for floor, places in floors.items()}
        return cls(design, held, flops, means, sorted(failed))

    def places(self) -> list[Place]:
        """Every source with every target that anything was scored on."""
        targets = sorted({target for of in self.held.values() for _, target in of})
        return list(product(self.design.sources, targets))

    def across(self) -> list[Place]:
        """The places that effects are averaged over: of different datasets, where something trained is above both
        floors."""
        lifted = self.lifted()
        return [(source, target) for source, target in self.places() if source != target and (source, target) in lifted]

    def inside(self) -> list[Place]:
        """The places where a source meets unseen classes of its own."""
        return [(source, source) for source in self.design.sources]

    def lifted(self) -> set[Place]:
        """The places where some trained method's mean, less its 95% interval over seeds, is above both floors."""
        found = set()
        for of_side in self.held.values():
            for place, by_seed in of_side.items():
                means = np.array([scores.mean() for scores in by_seed.values()])
                mean, half = interval(means)
                best = max((of.get(place, 0.0) for of in self.floors.values()), default=0.0)
                if len(means) > 1 and mean - half > best:
                    found.add(place)
        return found

    def floors_across(self) -> dict[str, float]:
        """The mean of each floor, averaged as effects are, where it is at all of these places."""
        found = {}
        for floor, means in self.floors.items():
            of_sources = [[means.get(p) for p in self.across() if p[0] == source] for source in self.design.sources]
            if all(of_source and None not in of_source for of_source in of_sources):
                found[floor] = float(np.mean([np.mean(of_source) for of_source in of_sources]))  # type: ignore[arg-type]
        return dict(sorted(found.items()))

    def at(self, side: Side, place: Place, seed: int) -> np.ndarray | None:
        """The scores of one training on a target; None if they are not all there."""
        scores = self.held.get(side, {}).get(place, {}).get(seed)
        return scores if scores is not None and len(scores) == self.design.episodes else None

    def over_plain(self, side: Side, place: Place, seed: int) -> np.ndarray | None:
        """What a method adds to plain training of its pretext on as many samples."""
        plain = Side(pretext=side.pretext, meta=PLAIN, samples=side.samples)
        return minus(self.at(side, place, seed), self.at(plain, place, seed))

    def plain_at_flops(self, side: Side, place: Place, seed: int) -> np.ndarray | None:
        """The scores of the plain training of a method's pretext in as many FLOPs, interpolated between budgets."""
        sides = [Side(pretext=side.pretext, meta=PLAIN, samples=samples) for samples in self.design.budgets]
        trained = [(flops, of) for of in sides if (flops := self.flops.get(of, {}).get(place[0]))]
        cost = self.flops.get(side, {}).get(place[0])
        if not cost or not (neighbours := around(trained, cost)):
            return None
        first, second, share = neighbours
        low, high = self.at(first, place, seed), self.at(second, place, seed)
        return None if low is None or high is None else (1 - share) * low + share * high

    def gaps(self, places: list[Place], found: Callable[[Place, int], np.ndarray | None]) -> Gaps:
        """What is `found` for every seed of the design at each of some places. Empty if anything of it is not there:
        half of a study is no answer."""
        held: dict[Place, list[np.ndarray]] = defaultdict(list)
        for place, seed in product(places, self.design.seeds):
            if (gap := found(place, seed)) is None:
                return {}
            held[place].append(gap)
        return held

    def notes(self) -> list[str]:
        """What is left out and why, and what failed."""
        lifted = self.lifted()
        notes = []
        if left_out := [f"{s} to {t}" for s, t in self.places() if (s, t) not in lifted]:
            notes.append(f"Left out, since nothing trained is above the floors there: {', '.join(left_out)}.")
        if self.failed:
            notes.append(f"Failed, and counted at chance level: {'; '.join(self.failed)}.")
        return notes


def minus(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    """The difference of two scores on the same episodes; None if one is not there."""
    return None if first is None or second is None else first - second


def by_seed(gaps: Gaps) -> np.ndarray:
    """The number of each seed: averaged over the targets of a source, then over sources."""
    sources: dict[str, list[list[float]]] = defaultdict(list)
    for (source, _), of_seeds in gaps.items():
        sources[source].append([float(gap.mean()) for gap in of_seeds])
    return np.mean([np.mean(of, axis=0) for of in sources.values()], axis=0)


def interval(of_seeds: np.ndarray) -> tuple[float, float]:
    """The mean of a number a seed, and the half-width of its 95% interval."""
    found = average_interval(of_seeds[:, None])
    return found.value, found.half or 0.0


def bounded(of_seeds: np.ndarray, name: str) -> dict[str, float]:
    """The mean of a number a seed and its interval, as `name`, `name`_low and `name`_high."""
    mean, half = interval(of_seeds)
    return {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}


def size(values: np.ndarray) -> float | None:
    """Cohen's d of differences: their mean over their standard deviation."""
    deviation = float(values.std(ddof=1))
    return float(values.mean()) / deviation if deviation else None


def _for_all(
    scored: Mapping[Place, list[float]], sources: Iterable[str], weights: Mapping[str, set[int]]
) -> dict[Place, float]:
    """The mean of a floor on every target for each of some sources. Sources of one shape of samples have one floor,
    whose records name the first of them: another one's is that of the source with encoders of as many `weights`, and
    where there is none, or several, the highest."""
    there = {source for source, _ in scored}
    means = {place: float(np.mean(of)) for place, of in scored.items()}
    for source in set(sources) - there:
        alike = {other for other in there if weights[other] & weights[source]} or there
        for target in {target for _, target in scored}:
            if of := [means[other, target] for other in alike if (other, target) in scored]:
                means[source, target] = max(of)
    return means
