"""Cells by row (a method) and column (a target and protocol), scored and ranked: the basis of every table."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import pandas as pd
from scipy.special import stdtrit

from benchbench.leaderboard.cells import Cell, cells_of, uncollected
from benchbench.leaderboard.statistics.ranks import average_tied_ranks
from benchbench.leaderboard.variants import Flat, told
from benchbench.store.records import Record

MISSING = "–"
#: The mark of rows whose records an earlier revision of the harness made.
EARLIER = "earlier revision"
#: Marks scores of several seeds that agree exactly.
AGREE = "‡"
BELOW = "↓"


class Row(NamedTuple):
    """What is compared. `variant` is empty unless the store holds this method with several settings: it is those that
    differ then (`benchbench.leaderboard.variants`). Records of each `origin` have rows of their own, so that nobody's
    records move anybody else's; so have those of an `earlier` revision of the harness, which are other experiments."""

    pretext: str
    meta: str
    backbone: str
    regime: str
    source: str
    variant: str = ""
    origin: str = "own"
    earlier: bool = False

    @property
    def label(self) -> str:
        """Its name in tables."""
        return f"{self.pretext} × {self.meta}"


@dataclass(frozen=True, slots=True)
class Score:
    """A method on one target: mean and half-width of its 95% interval, in percent, and what the interval is over.

    With one seed the interval is over the test episodes of one training; with several it is Student's over the seeds'
    means. Seeds that agree exactly, as those of a floor that draws nothing, show no spread to estimate: the interval is
    over episodes then. The two sources of variance are kept apart: `episode_se` is the standard error of one training's
    mean over its test episodes (root mean square over seeds), `seed_se` that of `mean` over the seeds' means (None for
    one seed). Both come from summaries; views that read the scores separate them exactly.
    """

    mean: float
    interval: float | None
    seeds: int
    failed: int = 0
    episode_se: float | None = None
    seed_se: float | None = None

    @property
    def over(self) -> Literal["episodes", "seeds", ""]:
        """What the interval is over."""
        return "" if not self.seeds else "seeds" if self.seed_se else "episodes"

    @property
    def agree(self) -> bool:
        """Whether several seeds score exactly the same."""
        return self.seeds > 1 and not self.seed_se

    def __str__(self) -> str:
        if not self.seeds:
            return "failed"
        return f"{self.mean:.2f} ± {self.interval:.2f}" + ("†" if self.failed else "") + (AGREE if self.agree else "")


@dataclass(frozen=True)
class Grid:
    """Rows and columns sorted by name, `everything` and each row's `members` sorted by key; `titles`: the column of
    what cells were tested on, by its identity."""

    everything: list[Cell]
    titles: Mapping[int, str]
    columns: list[str]
    members: dict[Row, list[Cell]]
    cells: dict[Row, dict[str, list[Cell]]]
    scores: dict[Row, dict[str, Score]]
    conflicts: list[str]

    def counted(self, *, external: bool = False) -> "Grid":
        """What is ranked and tested: the grid without external rows, unless `external` asks for them, without those of
        an earlier harness, unless all are of one, and without columns that only these have."""
        own = {row for row in self.members if external or row.origin != "external"}
        kept = {row for row in own if not row.earlier} or own
        if len(kept) == len(self.members):
            return self
        everything = [c for row, held in self.members.items() if row in kept for c in held]
        members = {row: held for row, held in self.members.items() if row in kept}
        cells = {row: held for row, held in self.cells.items() if row in kept}
        scores = {row: held for row, held in self.scores.items() if row in kept}
        columns = sorted({name for found in cells.values() for name in found})
        return Grid(everything, self.titles, columns, members, cells, scores, self.conflicts)

    def column(self, cell: Cell) -> str:
        """The column that a cell stands in."""
        return self.titles[id(cell.tested)]

    def scored(self, row: Row, column: str) -> Score | None:
        """The score there, if at least one seed has one."""
        score = self.scores[row].get(column)
        return score if score and score.seeds else None

    def complete(self, row: Row) -> bool:
        """Whether a row has a score in every column."""
        return sum(s.seeds > 0 for s in self.scores[row].values()) == len(self.columns)

    def repeated(self, row: Row) -> bool:
        """Whether a seed of a column has several records with the same settings, of which only one can count."""
        return any(len({c.seed for c in cells}) < len(cells) for cells in self.cells[row].values())


@uncollected()
def grid(records: Iterable[Record | Cell], *, sources: bool = False) -> Grid:
    """The grid of some records, in any order. With `sources` rows name their source also if there is one alone."""
    everything, conflicts = cells_of(records)
    titles = _titles(everything)
    members = dict(sorted(_group(everything, titles, sources=sources).items()))
    placed: dict[Row, dict[str, list[Cell]]] = {}
    for row, cells in members.items():
        found: dict[str, list[Cell]] = defaultdict(list)
        for c in cells:
            found[titles[id(c.tested)]].append(c)
        placed[row] = {name: found[name] for name in sorted(found)}
    scores = {row: {name: _score(cells) for name, cells in found.items()} for row, found in placed.items()}
    return Grid(everything, titles, sorted(set(titles.values())), members, placed, scores, conflicts)


def _titles(cells: list[Cell]) -> dict[int, str]:
    """The columns. Targets or protocols with one name but different settings get separate ones; what others submit
    renames none of ours."""
    ours: dict[tuple[str, str], dict[str, Flat]] = defaultdict(dict)
    every: dict[tuple[str, str], dict[str, Flat]] = defaultdict(dict)
    tested = {(id(c.tested), c.origin == "external"): c.tested for c in cells}
    for (_, external), where in tested.items():
        every[where.target, where.protocol][where.place] = where.placed
        if not external:
            ours[where.target, where.protocol][where.place] = where.placed
    titles: dict[tuple[str, str, str], str] = {}
    for names, known in every.items():
        vouched = ours.get(names, {})
        told_apart = told(known) | told(vouched)
        for place in known:
            several = len(vouched if place in vouched else known) > 1
            titles[*names, place] = " ".join(names) + (f" ({told_apart[place]})" if several else "")
    return {id(where): titles[where.target, where.protocol, where.place] for where in tested.values()}


def _group(cells: list[Cell], titles: Mapping[int, str], *, sources: bool) -> dict[Row, list[Cell]]:
    """Cells by row. If two claim one place (one method with different settings), or a name stands for several
    components, the row is split by settings: picking one, or averaging, would hide the conflict."""
    trained = [c for c in cells if not c.floor]
    vouched = {c.source for c in trained if c.origin != "external"}
    several = sources or len(vouched) > 1
    named = {"external": several or len(vouched | {c.source for c in trained}) > 1}
    groups: dict[tuple[str, str, str, str, str, str, bool], list[Cell]] = defaultdict(list)
    for c in cells:
        # An untrained encoder has no source: a row for each would only repeat it.
        source = c.source if named.get(c.origin, several) and not c.floor else ""
        groups[c.pretext, c.meta, c.backbone, "" if c.floor else c.regime, source, c.origin, c.earlier].append(c)
    rows: dict[Row, list[Cell]] = {}
    for axes, members in groups.items():
        if members[0].floor:
            members = _once(members, titles)
        # Seeds of one place share their settings, except that floors' settings include the source, which they ignore.
        settings = {(titles[id(c.tested)], c.seed if c.floor else None, c.settings) for c in members}
        one_of_each = {id(c.trained): c for c in members}.values()
        one = len({tuple(c.component(a) for a in ("pretext", "meta", "backbone")) for c in one_of_each}) == 1
        if one and len({place[:2] for place in settings}) == len(settings):
            rows[Row(*axes[:5], origin=axes[5], earlier=axes[6])] = members
        else:
            variant = told({c.settings: c.held for c in members})
            for c in members:
                rows.setdefault(Row(*axes[:5], variant[c.settings], *axes[5:]), []).append(c)
    return rows


def _once(floors: list[Cell], titles: Mapping[int, str]) -> list[Cell]:
    """The cells of a floor without those that differ only in the source."""
    found: dict[tuple[str, int, bool, float, float], Cell] = {}
    for c in floors:
        found.setdefault((titles[id(c.tested)], c.seed, c.ok, c.mean if c.ok else 0, c.ci95 if c.ok else 0), c)
    return list(found.values())


def _score(cell: list[Cell]) -> Score:
    # If a seed has records of an older and a newer engine, the first by key counts (`repeated`).
    good = {c.seed: c for c in reversed(cell) if c.ok}
    failed = len({c.seed for c in cell} - set(good))
    if not good:
        return Score(math.nan, None, 0, failed)
    means = [100 * c.mean for c in good.values()]
    mean = math.fsum(means) / len(means)
    within = math.fsum((100 * c.ci95 / 1.96) ** 2 for c in good.values()) / len(good)
    # Up to rounding: what the order of a sum leaves is no spread.
    if max(means) - min(means) <= 1e-9:
        half = 100 * next(iter(good.values())).ci95 if len(good) == 1 else 1.96 * math.sqrt(within)
        return Score(mean, half, len(good), failed, math.sqrt(within), None if len(good) == 1 else 0.0)
    spread = math.sqrt(math.fsum((m - mean) ** 2 for m in means) / (len(means) - 1) / len(means))
    half = _student(len(means) - 1) * spread
    return Score(mean, half, len(means), failed, math.sqrt(within), spread)


@cache
def _student(degrees: int) -> float:
    """The 97.5% quantile of Student's t; a call into SciPy takes longer than the rest of a cell."""
    # What scipy.stats calls, which takes 50 MB and a third of a second to import.
    return float(stdtrit(degrees, 0.975))


def raw_inputs(found: Grid) -> dict[str, float]:
    """The best score of raw inputs in each column that has one: of floors whose encoder has no weights."""
    raw = [row for row, members in found.members.items() if all(c.floor and c.parameters == 0 for c in members if c.ok)]
    best: dict[str, float] = {}
    for column in found.columns:
        scores = [score.mean for row in raw if (score := found.scored(row, column))]
        if scores:
            best[column] = max(scores)
    return best


def places(found: Grid) -> dict[str, Cell]:
    """One cell of each column, which tells the column's target and protocol."""
    seen: dict[str, Cell] = {}
    for c in found.everything:
        seen.setdefault(found.column(c), c)
        if len(seen) == len(found.columns):
            break
    return {column: seen[column] for column in found.columns}


def average_ranks(found: Grid, columns: Iterable[str] | None = None) -> dict[Row, float]:
    """Ranks of the means, ties shared, averaged over the columns (default: all) in which a row has a score; NaN if it
    has none.

    A missing cell is not imputed: it gets no rank, and the column's other rows are ranked without it.
    """
    collected: dict[Row, list[float]] = {row: [] for row in found.cells}
    for name in found.columns if columns is None else columns:
        present = [(row, score) for row in found.cells if (score := found.scored(row, name))]
        # Rounded: means that differ only by the order of a sum share a rank.
        means = pd.Series([round(score.mean, 9) for _, score in present], dtype=float)
        for (row, _), rank in zip(present, means.rank(ascending=False), strict=True):
            collected[row].append(float(rank))
    return {row: math.fsum(r) / len(r) if r else math.nan for row, r in collected.items()}


def ordered(found: Grid, ranks: dict[Row, float]) -> list[Row]:
    """The leaderboard's order: complete rows first, then by average rank, then by name."""
    rank = {row: math.inf if math.isnan(r) else round(r, 9) for row, r in ranks.items()}
    return sorted(found.cells, key=lambda row: (not found.complete(row), rank[row], row))


def names(found: Grid) -> dict[Row, str]:
    """The shortest name that tells each row from the others: its label, plus the axes on which namesakes differ."""
    namesakes: dict[str, list[Row]] = defaultdict(list)
    for row in found.cells:
        namesakes[row.label].append(row)
    texts = {}
    for label, rows in namesakes.items():
        axes = ("backbone", "regime", "source", "origin")
        differ = [axis for axis in axes if len({getattr(r, axis) for r in rows}) > 1]
        for row in rows:
            told_by = [getattr(row, axis) or MISSING for axis in differ]
            own = f"{label} ({row.variant})" if row.variant else label
            texts[row] = ", ".join([own, *told_by, *([EARLIER] if row.earlier else [])])
    return texts


def tied_average_ranks(found: Grid) -> dict[Row, float]:
    """`average_ranks` with Meta-Dataset's ties: methods whose intervals do not separate them from the best share a
    rank."""
    if not found.columns:
        return {}
    table = {name: moments(found, name) for name in found.columns}
    return dict(zip(found.cells, average_tied_ranks(table).average.tolist(), strict=True))


def moments(found: Grid, column: str) -> tuple[list[float], list[float]]:
    """Mean and half-width of every row in a column, in the order of the rows; NaN without a score."""
    scores = [found.scored(row, column) for row in found.cells]
    means = [score.mean if score else math.nan for score in scores]
    return means, [math.nan if not score or score.interval is None else score.interval for score in scores]
