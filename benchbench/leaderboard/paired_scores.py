"""Scores on the test episodes that methods share: the basis of paired comparisons."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, Row
from benchbench.leaderboard.statistics.averaged import Sizes, averaged_difference, standardised
from benchbench.leaderboard.statistics.paired import LEVEL, Difference, paired_difference
from benchbench.store.records import Record, shown


@dataclass(frozen=True)
class Scored:
    """Scores in percent (seeds, episodes) of one row in one column, and the training seed of each line."""

    table: np.ndarray
    seeds: list[int]

    def of(self, seeds: Iterable[int]) -> np.ndarray:
        """The lines of the given seeds, in the given order."""
        return self.table[[self.seeds.index(s) for s in seeds]]


def shared(found: Grid, column: str) -> dict[Row, Scored]:
    """The scores of every row that has some on the column's episodes (`episode_set`); scores on other episodes are left
    out."""
    cells = {row: _scored(of_row.get(column, [])) for row, of_row in found.cells.items()}
    episodes = episode_set(found, column)
    kept = {
        row: {c.seed: c for c in reversed(of_row) if (c.episodes_hash or "") == episodes}
        for row, of_row in cells.items()
    }
    return {
        row: Scored(np.stack([fractions(by_seed[s]) * 100 for s in sorted(by_seed)]), sorted(by_seed))
        for row, by_seed in kept.items()
        if by_seed
    }


def episode_set(found: Grid, column: str) -> str:
    """The hash of the episodes, or images, that most cells of a column were scored on (if tied, the first hash); empty
    if no cell says."""
    hashes = Counter(c.episodes_hash or "" for row in found.cells.values() for c in _scored(row.get(column, [])))
    return min(hashes, key=lambda h: (-hashes[h], h), default="")


def _scored(cells: Iterable[Cell]) -> list[Cell]:
    return [c for c in cells if c.ok and _whole(c).scores]


def fractions(cell: Cell) -> np.ndarray:
    """The scores (episodes,) of the metric that tables show, as fractions. The cell must hold its record."""
    scores = _whole(cell).scores
    return np.array(scores[shown(scores)].fractions())


def _whole(cell: Cell) -> Record:
    assert cell.record is not None, "episode scores need whole records: read_records, not read_cells"
    return cell.record


def difference(a: Scored, b: Scored) -> Difference:
    """First minus second, paired on episodes, and on seeds if both have the same."""
    return paired_difference(a.table, b.table, seeds_a=a.seeds, seeds_b=b.seeds)


@dataclass(frozen=True)
class Places:
    """What two methods are compared on: pairs of scores on sets of episodes that share none, over the seeds that each
    method has in all of them; weights: how much each pair counts."""

    pairs: list[tuple[np.ndarray, np.ndarray]]
    weights: list[int]
    seeds: tuple[list[int], list[int]]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Scored, Scored]], weights: Sequence[int]) -> "Places | None":
        """None if a method has no seed in all places."""
        first, second = (common(side) for side in zip(*pairs, strict=True))
        if not first or not second:
            return None
        return cls([(a.of(first), b.of(second)) for a, b in pairs], list(weights), (first, second))

    @classmethod
    def of_columns(cls, found: Grid, pairs: Mapping[str, tuple[Scored, Scored]]) -> "Places | None":
        """Columns on the same episodes or images are averaged one by one of these: they are no independent draws."""
        sets: dict[str, list[tuple[Scored, Scored]]] = defaultdict(list)
        for column, pair in pairs.items():
            sets[episode_set(found, column) or column].append(pair)
        joined = [[together(side) for side in zip(*members, strict=True)] for members in sets.values()]
        whole = [(a, b) for a, b in joined if a and b]
        return cls.of(whole, [len(members) for members in sets.values()]) if len(whole) == len(joined) else None

    @property
    def difference(self) -> Difference:
        """First minus second, averaged over the places."""
        seeds_a, seeds_b = self.seeds
        return averaged_difference(self.pairs, weights=self.weights, seeds_a=seeds_a, seeds_b=seeds_b)

    @property
    def sizes(self) -> Sizes:
        """The same in standard deviations."""
        seeds_a, seeds_b = self.seeds
        return standardised(self.pairs, weights=self.weights, seeds_a=seeds_a, seeds_b=seeds_b)


def together(parts: Sequence[Scored]) -> Scored | None:
    """The mean of several rows, episode by episode, over the seeds that they share; None if they share none."""
    seeds = common(parts)
    return Scored(np.mean([p.of(seeds) for p in parts], axis=0), seeds) if seeds else None


def common(parts: Iterable[Scored]) -> list[int]:
    """The seeds that all parts have, sorted. There must be at least one part."""
    return sorted(set.intersection(*(set(p.seeds) for p in parts)))


def verdict(mean: float, p: float) -> str:
    """What may be said about a difference; `p` is adjusted for the comparisons it was made with."""
    if not p < LEVEL:
        return "tie"
    return "better" if mean > 0 else "worse"
