"""Scores on the test episodes that methods share: the basis of paired comparisons."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import Grid, Row
from benchbench.leaderboard.statistics.intervals import Over
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


def together(parts: Sequence[Scored]) -> Scored | None:
    """The mean of several rows, episode by episode, over the seeds that they share; None if they share none."""
    seeds = sorted(set.intersection(*(set(p.seeds) for p in parts)))
    if not seeds:
        return None
    return Scored(np.mean([p.of(seeds) for p in parts], axis=0), seeds)


@dataclass(frozen=True)
class Average:
    """Paired differences averaged over columns, in percentage points, with a 95% interval and two-sided p.

    The columns are taken as they are (nothing is said about other targets) and as independent of each other; `over`:
    ``seeds`` if every column's interval is over seeds, else ``episodes``.
    """

    mean: float
    low: float
    high: float
    p: float
    columns: int
    seeds: int
    over: Over

    @classmethod
    def of(cls, differences: Sequence[Difference], weights: Sequence[float] | None = None) -> "Average":
        """The mean, weighted if `weights` are given. There must be at least one difference."""
        n = len(differences)
        shares = [w / math.fsum(weights) for w in weights] if weights else [1 / n] * n
        mean = math.fsum(w * d.mean for w, d in zip(shares, differences, strict=True))
        below = math.sqrt(math.fsum((w * (d.mean - d.low)) ** 2 for w, d in zip(shares, differences, strict=True)))
        above = math.sqrt(math.fsum((w * (d.high - d.mean)) ** 2 for w, d in zip(shares, differences, strict=True)))
        if n == 1:
            p = differences[0].p
        else:
            half = below if mean > 0 else above
            p = float(2 * stats.norm.sf(abs(mean) / (half / 1.96))) if half else float(mean == 0)
        over: Over = "seeds" if all(d.over == "seeds" for d in differences) else "episodes"
        return cls(mean, mean - below, mean + above, p, n, min(d.seeds for d in differences), over)

    def verdict(self, p: float) -> str:
        """What may be said about the difference; `p` is adjusted for the comparisons it was made with."""
        if not p < LEVEL:
            return "tie"
        return "better" if self.mean > 0 else "worse"
