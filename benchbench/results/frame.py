"""Records as one flat table for other programs, one row per record and metric.

Names are those that tables show. Two datasets or protocols never share one: whoever pivots over a column would average
them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchbench.errors import BenchbenchError
from benchbench.keys import canonical, content_key
from benchbench.leaderboard.cells import Cell
from benchbench.leaderboard.grid import grid, names
from benchbench.leaderboard.safe import as_csv
from benchbench.leaderboard.variants import Flat, flat, told
from benchbench.store.files import atomic_write
from benchbench.store.records import Record, shown

#: The parts of a record's content that name a place, and what in them is a result, or only known after scoring.
PLACES = ("source", "target", "protocol")
_AFTERWARDS = {"fingerprint", "pixels", "division"}


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record and metric; a failed record has one row without a metric. `values` are as recorded (counts if
    there is a denominator), `mean` and `ci95` are fractions; `content` is JSON; `shown` marks the metric that tables
    show, or a failed record. `label` names the method as tables do."""
    records = list(records)
    found = grid(records)
    text = names(found)
    labels = {c.key: text[row] for row, members in found.members.items() for c in members}
    cells = {c.key: c for c in found.everything}
    places = {axis: _told_apart(axis, records, cells) for axis in PLACES}
    return pd.DataFrame([line for r in records for line in _lines(r, cells[r.key], labels.get(r.key), places)])


def _told_apart(axis: str, records: list[Record], cells: Mapping[str, Cell]) -> dict[str, str]:
    """What to call each record's place: its name, with what differs where one name stands for several things."""
    settings: dict[str, dict[str, Flat]] = defaultdict(dict)
    prints: dict[tuple[str, str], set[str]] = defaultdict(set)
    held: dict[str, tuple[str, str, str]] = {}
    for r in records:
        name, part = getattr(cells[r.key], axis), r.content.get(axis)
        part = part if isinstance(part, dict) else {"name": part}
        fixed = {key: value for key, value in part.items() if key not in _AFTERWARDS}
        digits, seen = content_key(fixed), str(part.get("fingerprint") or "")
        settings[name][digits] = flat(fixed)
        prints[name, digits] |= {seen} - {""}
        held[r.key] = name, digits, seen
    said = {name: told(variants) if len(variants) > 1 else {} for name, variants in settings.items()}
    found = {}
    for key, (name, digits, seen) in held.items():
        known = sorted(prints[name, digits])
        # Files of the same settings may have changed; a failed record does not say what it was to be scored on.
        content = f"content {known.index(seen) + 1}" if seen and len(known) > 1 else ""
        differs = ", ".join(filter(None, (said[name].get(digits), content)))
        found[key] = f"{name} ({differs})" if differs else name
    return found


def _lines(
    record: Record, cell: Cell, label: str | None, places: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    about = {
        "key": record.key,
        "training_key": record.training_key,
        "status": record.status,
        "reason": record.reason,
        "origin": record.origin,
        "matrix": record.matrix,
        "label": label or cell.label,
        "pretext": cell.pretext,
        "meta": cell.meta,
        "backbone": cell.backbone,
        "regime": cell.regime,
        **{axis: places[axis][record.key] for axis in PLACES},
        "seed": record.seed,
        "episodes_hash": record.episodes_hash,
        **record.flags.model_dump(),
    }
    spent = {
        **(record.cost.model_dump() if record.cost else {}),
        "train_seconds": record.timing.get("train_seconds"),
        "torch": record.environment.get("torch"),
        "device": record.environment.get("device"),
        "content": canonical(record.content),
    }
    main = shown(record.scores) if record.scores else None
    metrics: list[dict[str, Any]] = [
        {
            "metric": name,
            "shown": name == main,
            **(record.summary[name].model_dump() if name in record.summary else {}),
            "unit": metric.unit,
            "denominator": metric.denominator,
            "values": [float(v) for v in metric.values],
        }
        for name, metric in sorted(record.scores.items())
    ]
    return [about | metric | spent for metric in metrics or [{"metric": None, "shown": True}]]


def write_csv(records: Iterable[Record], path: Path) -> None:
    """Write the table without the individual values, which a CSV cell cannot hold."""
    table = frame(records).drop(columns="values", errors="ignore")
    atomic_write(path, as_csv(table).encode())


def write_parquet(records: Iterable[Record], path: Path) -> None:
    """Write the table with every value. Raises BenchbenchError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise BenchbenchError("Parquet needs pyarrow: install benchbench-suite[parquet]") from None
    atomic_write(path, frame(records).to_parquet(None, engine="pyarrow", index=False))
