"""The page's data of a table and its records, as plain JSON, without per-episode scores.

Whatever repeats (settings, environments, curves) is kept once and referred to by its index in ``parts``.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from benchbench.keys import canonical, content_key
from benchbench.leaderboard.aggregate import MISSING, SIGNS, Table
from benchbench.leaderboard.cell import Cell
from benchbench.leaderboard.grid import EARLIER, Row, Score, places
from benchbench.leaderboard.latex import tie_places
from benchbench.leaderboard.safe import one_line
from benchbench.leaderboard.views.diagnostics import MEASURE, PAIRS
from benchbench.leaderboard.views.text import compact
from benchbench.store.records import Record

#: Reads the records of cells by key.
Reader = Callable[[list[Cell]], Mapping[str, Record]]
#: What the page filters by.
AXES = ("pretext", "meta", "backbone", "regime", "source", "labels", "selection labels", "transductive")
#: Most points kept of a learning curve: more than a small plot can show.
POINTS = 60
#: Most records of a page: it is of 4 MB then, which a browser opens in a second.
MOST_RECORDS = 5_000
#: Most rows and columns of a further table.
MOST_ROWS, MOST_COLUMNS = 200, 10
#: The budgets that the page asks for, and what the table's numbers call them.
COSTS = {"samples": "samples", "flops": "flops", "seconds": "train_seconds"}
FLOPS = "FLOPs"


def shown_rows(table: Table) -> list[Row]:
    """The rows that a page shows: all, or as many of the first as have `MOST_RECORDS` records; one at least."""
    found: list[Row] = []
    records = 0
    for row in table.order:
        records += sum(map(len, table.grid.cells[row].values())) if table.grid else 0
        if found and records > MOST_RECORDS:
            break
        found.append(row)
    return found


def payload(
    table: Table,
    plots: Mapping[str, str],
    answers: Mapping[str, Table] | None = None,
    read: Reader | None = None,
) -> dict[str, Any]:
    """The page's data: columns, the shown rows in the table's order with the records that their cells hold, or that
    `read` gives for these, parts, plots (name -> SVG text), and the tables that answer further questions."""
    order, names, parts = shown_rows(table), table.scored, _Parts()
    shown = _with_flops(table).head(len(order))
    titles = [str(c) for c in shown.columns]
    texts = [[str(v) for v in row] for row in shown.values.tolist()]
    kinds = ["score" if t in names else _kind([text[i] for text in texts]) for i, t in enumerate(titles)]
    if FLOPS in titles:
        kinds[titles.index(FLOPS)] = "number"
    ties = {name: tie_places(table, name) for name in names}
    rows = []
    listed = zip(order, texts, table.numbers.head(len(order)).to_dict("records"), strict=True)
    for place, (row, text, numbers) in enumerate(listed):
        cells = table.grid.cells[row] if table.grid else {}
        scores = {name: _score(table.grid.scores[row][name], members) for name, members in cells.items() if table.grid}
        for name, score in scores.items():
            score["place"] = ties[name][place]
        every = [c for members in cells.values() for c in members]
        records = read(every) if read else {c.key: c.record for c in every if c.record}
        axes = {**row._asdict(), **{title: numbers[name] for name, title in SIGNS.items()}}
        rows.append(
            {
                "id": row_id(row),
                "axes": [axes[axis] or MISSING for axis in AXES],
                "marks": [
                    *(["floor"] if numbers["floor"] else []),
                    *([row.origin] if row.origin != "own" else []),
                    *([EARLIER] if row.earlier else []),
                ],
                "ranked": table.ranked(row),
                "text": text,
                "numbers": [
                    _plain_number(numbers.get("flops")) if title == FLOPS else _number(t) if kind == "number" else None
                    for title, t, kind in zip(titles, text, kinds, strict=True)
                ],
                "cost": {name: _plain_number(numbers.get(column)) for name, column in COSTS.items()},
                "scores": [scores.get(title) for title in titles],
                "records": [
                    _record(records[c.key], name, parts)
                    for name, members in cells.items()
                    for c in sorted(members, key=lambda c: (c.seed, c.key))
                    if c.key in records
                ],
            }
        )
    targets = {title: cell.target for title, cell in places(table.grid).items()} if table.grid else {}
    return {
        "axes": list(AXES),
        "columns": [
            {"title": t, "kind": k, **({"target": targets[t]} if k == "score" else {})}
            for t, k in zip(titles, kinds, strict=True)
        ],
        "rows": rows,
        **({"left": left} if (left := len(table.rows) - len(order)) else {}),
        "parts": parts.kept,
        "plots": plots,
        "tables": {name: _answer(answer) for name, answer in (answers or {}).items()},
    }


def made_with(data: Mapping[str, Any]) -> tuple[str, str]:
    """The matrices of a page's records, and the versions of what made them, as text."""
    records = [record for row in data["rows"] for record in row["records"]]
    matrices = sorted({record["matrix"] for record in records})
    versions: dict[str, set[str]] = {}
    for environment in (data["parts"][place] for place in {record["environment"] for record in records}):
        held = environment.get("distributions")
        for name, version in (*(held.items() if isinstance(held, dict) else ()), ("torch", environment.get("torch"))):
            if version:
                versions.setdefault(str(name), set()).add(str(version))
    told = ", ".join(f"{one_line(name)} {one_line(' and '.join(sorted(versions[name])))}" for name in sorted(versions))
    more = f" and {len(matrices) - 3} more" if len(matrices) > 3 else ""
    return one_line(", ".join(matrices[:3])) + more, told


def _with_flops(table: Table) -> pd.DataFrame:
    """The rows with a column of FLOPs behind that of samples: the other tables leave it to the view of costs."""
    if "samples" not in table.rows or FLOPS in table.rows or "flops" not in table.numbers:
        return table.rows
    shown = table.rows.copy()
    flops = [compact(_plain_number(value)) for value in table.numbers["flops"].tolist()]
    shown.insert(list(shown.columns).index("samples") + 1, FLOPS, flops)
    return shown


def _plain_number(value: Any) -> float | None:
    return None if value is None or value is pd.NA or math.isnan(value) else value


def _answer(table: Table) -> dict[str, Any]:
    """A view's table as text, without its columns of single targets."""
    columns = [str(c) for c in table.rows.columns][:MOST_COLUMNS]
    rows = [[str(v) for v in row[:MOST_COLUMNS]] for row in table.rows.values.tolist()[:MOST_ROWS]]
    left = len(table.rows) - len(rows)
    more = (
        [f"The first {MOST_ROWS} of {len(table.rows):,} rows; `benchbench leaderboard --view` has all."] if left else []
    )
    return {"title": table.title, "columns": columns, "rows": rows, "notes": [*more, *table.notes]}


def row_id(row: Row) -> str:
    """A short name of a row for permalinks, whatever other rows there are."""
    # Links to our own rows are older than other origins, and than a second revision of the harness.
    usual = (("origin", "own"), ("earlier", False))
    return content_key([value for name, value in row._asdict().items() if (name, value) not in usual])[:10]


class _Parts:
    """JSON values, each kept once."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self._places: dict[str, int] = {}
        self._curves: dict[str, int] = {}

    def curve(self, record: Record) -> int:
        """The index of a training's curve, which all its records repeat."""
        if record.training_key not in self._curves:
            self._curves[record.training_key] = self.add(_curve(record.curve))
        return self._curves[record.training_key]

    def add(self, value: Any) -> int:
        try:
            text = canonical(value)
        except ValueError:
            value = _plain(value)
            text = canonical(value)
        place = self._places.setdefault(text, len(self.kept))
        if place == len(self.kept):
            self.kept.append(value)
        return place


def _plain(value: Any) -> Any:
    """The same with NaN and infinities as text, since JSON has neither."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _number(text: str) -> float | None:
    """The number that a cell shows, without its marks."""
    try:
        return float(text.replace(",", "").rstrip("*†"))
    except ValueError:
        return None


def _kind(column: list[str]) -> str:
    there = [_number(text) for text in column if text != MISSING]
    return "number" if there and None not in there else "text"


def _score(score: Score, members: list[Cell]) -> dict[str, Any]:
    """Mean and half-width of the interval in percent (None if nothing was scored), and what they are over."""
    if not score.seeds:
        return {"mean": None, "interval": None, "over": [_failed(score)]}
    return {"mean": round(score.mean, 4), "interval": round(score.interval or 0, 4), "over": _over(score, members)}


def _over(score: Score, members: list[Cell]) -> list[str]:
    good = [c for c in members if c.ok]
    counts = " or ".join(f"{n:,}" for n in sorted({c.episodes for c in good}))
    seeds = ", ".join(str(seed) for seed in sorted({c.seed for c in good}))
    if score.agree:
        lines = [f"95% interval over {counts} test episodes; training seeds {seeds} score exactly the same"]
    elif score.over == "episodes":
        lines = [f"95% interval over {counts} test episodes of one training (seed {seeds})"]
    else:
        lines = [f"95% interval over {score.seeds} training seeds ({seeds}) of {counts} test episodes each"]
    if score.over == "seeds" and score.episode_se is not None:
        lines.append(
            f"standard error: {score.seed_se:.2f} from seeds, {score.episode_se:.2f} from episodes of one seed"
        )
    return lines + ([_failed(score)] if score.failed else [])


def _failed(score: Score) -> str:
    return f"{score.failed} of {score.failed + score.seeds} seeds failed"


def _record(record: Record, cell: str, parts: _Parts) -> dict[str, Any]:
    units, content = {name: metric.unit for name, metric in record.scores.items()}, dict(record.content)
    if measures := {name: round(s.mean, 4) for name, s in record.summary.items() if units.get(name) == MEASURE}:
        # Not percentages: they are shown with the record's other details.
        content["diagnostics"] = measures
    scores = {name: s for name, s in record.summary.items() if units.get(name) not in (MEASURE, PAIRS)}
    return {
        "cell": cell,
        "seed": record.seed,
        "status": record.status,
        "reason": record.reason,
        "scores": {name: [s.mean, s.ci95, s.n] for name, s in scores.items()},
        "key": record.key,
        "training": record.training_key,
        "file": f"records/{record.training_key[:16]}.jsonl",
        "episodes": record.episodes_hash,
        "matrix": record.matrix,
        "origin": record.origin,
        "provenance": parts.add(record.provenance.model_dump()) if record.provenance else None,
        "content": {name: parts.add(value) for name, value in content.items()},
        "cost": parts.add(record.cost.model_dump()) if record.cost else None,
        "flags": parts.add(record.flags.model_dump()),
        "environment": parts.add(record.environment),
        "timing": parts.add({name: round(value, 3) for name, value in record.timing.items()}),
        "curve": parts.curve(record),
    }


def _curve(points: list[dict[str, float]]) -> dict[str, list[list[float]]]:
    """Metric -> [samples so far, value] of at most `POINTS` points, values to four digits. Stages are joined end to
    end."""
    found: dict[str, list[tuple[float, float]]] = {}
    before = last = 0.0
    for point in (p for p in points if "samples" in p):
        samples = point["samples"]
        if samples <= last:
            # The next stage counts from zero.
            before += last
        last = samples
        for name, value in point.items():
            if name not in ("samples", "step") and math.isfinite(value):
                found.setdefault(name, []).append((before + samples, value))
    return {name: [[x, float(f"{y:.4g}")] for x, y in _thinned(found[name])] for name in sorted(found)}


def _thinned(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = max(1, math.ceil((len(curve) - 1) / (POINTS - 1)))
    return curve if step == 1 else [*curve[:-1:step], curve[-1]]
