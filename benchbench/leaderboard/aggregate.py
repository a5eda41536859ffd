"""Records -> the leaderboard: one row per method, one column per target and protocol."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas.api.types import pandas_dtype

from benchbench.leaderboard.cells import Cell, uncollected
from benchbench.leaderboard.grid import (
    BELOW,
    EARLIER,
    MISSING,
    Grid,
    Row,
    Score,
    average_ranks,
    grid,
    ordered,
    raw_inputs,
    tied_average_ranks,
)
from benchbench.leaderboard.notes import notes
from benchbench.leaderboard.transfer_gaps import transfer_gaps
from benchbench.store.records import Record

#: Most characters shown of what weights were pretrained on: a whole checksum would be wider than the table.
WIDEST = 24
#: What a row's marks are called in tables.
SIGNS = {"labels": "labels", "selection_labels": "selection labels", "transductive": "transductive"}
#: Rows that are held as objects at a time.
AT_ONCE = 8192
#: What a column of these, some missing, is in a frame.
KINDS = {
    frozenset({kind, type(None)}): pandas_dtype(name)
    for kind, name in ((int, "Int64"), (float, "float64"), (str, "str"))
}
NOTHING = Score(math.nan, None, 0)
Columns = Callable[[list[Record]], dict[str, str]]


@dataclass
class Table:
    """A table: `rows` as text for people, `numbers` for programs, `notes` that belong with both.

    The leaderboard's also has the `grid` behind it, the part of it that is `counted` for ranks and best marks, and the
    `order` of its rows.
    """

    rows: pd.DataFrame
    numbers: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    title: str = "Leaderboard"
    grid: Grid | None = None
    counted: Grid | None = None
    order: Sequence[Row] = ()

    @property
    def scored(self) -> list[str]:
        """The columns of scores."""
        return self.grid.columns if self.grid else []

    @property
    def records(self) -> int:
        """How many records are behind its rows."""
        return sum(len(cells) for row in self.grid.cells.values() for cells in row.values()) if self.grid else 0

    def ranked(self, row: Row) -> bool:
        """Whether a row takes part in ranks and best marks."""
        return self.counted is not None and row in self.counted.cells


def aggregate(records: Iterable[Record | Cell], columns: Columns | None = None) -> Table:
    """The leaderboard of some records, in any order. Complete rows come first, then average rank and name decide.

    See `benchbench.leaderboard.grid` for scores, ranks and the treatment of missing cells. `columns` adds extra columns
    from the records of a row.
    """
    return tabulated(grid(records), columns)


@uncollected()
def tabulated(found: Grid, columns: Columns | None = None, *, external: bool = False) -> Table:
    """The leaderboard of a grid. Rows that do not count (`Grid.counted`) stand below the others, without a rank."""
    counted = found.counted(external=external)
    ranks, tied = average_ranks(counted), tied_average_ranks(counted)
    order = [*ordered(counted, ranks), *(row for row in found.cells if row not in counted.cells)]
    gaps, raw = transfer_gaps(counted), raw_inputs(found)
    begun = weighted(found)
    text, numbers = Columnar(), Columnar()
    for row in order:
        members = found.members[row]
        extra = columns([c.record for c in members if c.record]) if columns else {}
        paid, signs = costs(members), marks(members)
        gap = {"transfer gap": f"{gaps[row]:.2f}" if row in gaps else MISSING} if gaps else {}
        began = {"weights": begun.get(row, MISSING)} if begun else {}
        short = {name: value if len(value) <= WIDEST else value[: WIDEST - 1] + "…" for name, value in began.items()}
        placed = ranks.get(row, math.nan), tied.get(row, math.nan)
        star = "" if row not in counted.cells or counted.complete(row) else "*"
        said = {SIGNS[name]: sign for name, sign in signs.items()}
        text.add(
            _as_text(row, members, found, placed, star, paid)
            | _below(row, members, found, raw)
            | gap
            | said
            | short
            | extra
        )
        gap_number = {"transfer_gap": _rounded(gaps.get(row))} if gaps else {}
        signs |= began
        numbers.add(_as_numbers(row, members, found, placed) | gap_number | paid | signs | extra)
    frame = text.frame()
    if len(frame):
        frame = frame.fillna(MISSING)
        empty = {"source": not any(r.source for r in order), "variant": not any(r.variant for r in order)}
        frame = frame.drop(columns=[name for name, absent in empty.items() if absent])
    return Table(frame, numbers.frame(), notes(found, counted), grid=found, counted=counted, order=order)


class Columnar:
    """Rows taken one at a time and kept as columns, in the order in which these appear: as objects of Python, those of
    a large table take several times the memory."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns: dict[str, list[Any]] = {}
        self._kinds: dict[str, set[type]] = {}
        self._done: list[pd.DataFrame] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, which may lack columns or have further ones."""
        for name, value in row.items():
            if name not in self._columns:
                self._columns[name] = [None] * self._rows
            self._columns[name].append(value)
        self._rows += 1
        if len(row) < len(self._columns):
            for values in self._columns.values():
                values += [None] * (self._rows - len(values))
        if self._rows == AT_ONCE:
            self._flush()

    def frame(self) -> pd.DataFrame:
        """The rows. Integers stay integers even if some values are missing."""
        if self._rows or not self._done:
            self._flush()
        if len(self._done) == 1:
            return self._done[0]
        frame = pd.concat(self._done, ignore_index=True)
        for name, kinds in self._kinds.items():
            # A part in which all values are missing, or the column itself, says nothing of their kind.
            if kind := KINDS.get(frozenset(kinds)):
                frame[name] = frame[name].astype(kind)
        return frame

    def _flush(self) -> None:
        """Take the rows that are held as objects into a frame."""
        frame = pd.DataFrame(self._columns)
        for name, values in self._columns.items():
            kinds = {type(value) for value in values}
            missing = {type(None)} if self._done and name not in self._kinds else set()
            self._kinds.setdefault(name, missing).update(kinds)
            if kinds == {int, type(None)}:
                frame[name] = pd.array(values, dtype="Int64")
        self._done.append(frame)
        self._columns, self._rows = {name: [] for name in self._columns}, 0


def numeric(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame in which integers stay integers even if some values are missing."""
    found = Columnar()
    for row in rows:
        found.add(row)
    return found.frame()


def costs(members: list[Cell]) -> dict[str, Any]:
    """Costs from the first record that has them; seconds are the mean over trainings."""
    good = [c for c in members if c.ok]
    first = next((c for c in good if c.parameters is not None), None)
    seconds = list({c.training_key: c.seconds for c in good}.values())
    return {
        "parameters": first.parameters if first else None,
        "samples": first.samples if first else None,
        "flops": first.flops if first else None,
        "train_seconds": math.fsum(seconds) / len(seconds) if seconds else None,
    }


def marks(members: list[Cell]) -> dict[str, str]:
    # A failed record cannot know them.
    good = [c for c in members if c.ok]
    if not good:
        return dict.fromkeys(SIGNS, MISSING)
    return {
        "labels": next((whose for whose in ("source", "weights") if any(c.labels == whose for c in good)), "none"),
        "selection_labels": "source" if any(c.selection_labels == "source" for c in good) else "none",
        "transductive": "yes" if any(c.transductive for c in good) else "no",
    }


def weighted(found: Grid) -> dict[Row, str]:
    """The initial weights of each row's encoder, for rows whose encoder can be given weights; if several, sorted."""
    texts = {row: ", ".join(sorted({c.weights for c in cells if c.weights})) for row, cells in found.members.items()}
    return {row: text for row, text in texts.items() if text}


def marked(row: Row, members: list[Cell]) -> str:
    """A method's name, marked if it is a floor, a third party submitted its scores or an earlier harness made them."""
    marks = ["floor"] if any(c.floor for c in members) else []
    marks += [row.origin] if row.origin != "own" else []
    marks += [EARLIER] if row.earlier else []
    return row.label + (f" ({', '.join(marks)})" if marks else "")


def _below(row: Row, members: list[Cell], found: Grid, raw: dict[str, float]) -> dict[str, str]:
    """The scores of a row that lie below the raw inputs', marked."""
    if any(c.floor for c in members):
        return {}
    scores = {name: found.scored(row, name) for name in raw}
    return {name: f"{score}{BELOW}" for name, score in scores.items() if score and score.mean < raw[name]}


def _as_text(
    row: Row, members: list[Cell], found: Grid, ranks: tuple[float, float], star: str, paid: dict[str, Any]
) -> dict[str, Any]:
    rank, tied = (MISSING if math.isnan(r) else f"{r:.2f}{star}" for r in ranks)
    seeds = sorted({s.seeds for name in found.columns if (s := found.scored(row, name))})
    return {
        "method": marked(row, members),
        "backbone": row.backbone,
        "regime": row.regime or MISSING,
        "source": row.source or MISSING,
        "variant": row.variant or MISSING,
        **{n: str(found.scores[row].get(n, MISSING)) for n in found.columns},
        "rank": rank,
        "tied rank": tied,
        "seeds": "–".join(str(s) for s in dict.fromkeys((seeds[0], seeds[-1]))) if seeds else MISSING,
        "parameters": MISSING if paid["parameters"] is None else f"{paid['parameters']:,}",
        "samples": MISSING if paid["samples"] is None else f"{paid['samples']:,}",
        "train s": MISSING if paid["train_seconds"] is None else f"{paid['train_seconds']:.0f}",
    }


def _as_numbers(row: Row, members: list[Cell], found: Grid, ranks: tuple[float, float]) -> dict[str, Any]:
    numbers: dict[str, Any] = {**row._asdict(), "floor": any(c.floor for c in members)}
    numbers["external"] = row.origin == "external"
    for name in found.columns:
        score = found.scores[row].get(name)
        status = "missing" if score is None else "ok" if score.seeds else "failed"
        good = score if score and score.seeds else NOTHING
        numbers |= {
            name: _rounded(good.mean),
            f"{name} ci95": _rounded(good.interval),
            f"{name} over": good.over or None,
            f"{name} episode se": _rounded(good.episode_se),
            f"{name} seed se": _rounded(good.seed_se),
            f"{name} seeds": good.seeds,
            f"{name} status": status,
        }
    rank, tied = (None if math.isnan(r) else round(r, 6) for r in ranks)
    return numbers | {"rank": rank, "tied_rank": tied}


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 6)
