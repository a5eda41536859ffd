"""Records as one flat table for other programs, one row per record and metric."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from benchbench.errors import BenchbenchError
from benchbench.keys import canonical
from benchbench.leaderboard.safe import as_csv
from benchbench.store.files import atomic_write
from benchbench.store.records import Record


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record and metric; a failed record has one row without a metric. `values` are as recorded (counts if
    there is a denominator), `mean` and `ci95` are fractions; `content` is JSON."""
    return pd.DataFrame([row for record in records for row in _rows(record)])


def _rows(record: Record) -> list[dict[str, Any]]:
    cell = {
        "key": record.key,
        "training_key": record.training_key,
        "status": record.status,
        "reason": record.reason,
        "origin": record.origin,
        "matrix": record.matrix,
        **asdict(record.method),
        "source": record.source,
        "target": record.target,
        "protocol": record.protocol,
        "seed": record.seed,
        "episodes_hash": record.episodes_hash,
        **record.flags.model_dump(),
    }
    about = {
        **(record.cost.model_dump() if record.cost else {}),
        "train_seconds": record.timing.get("train_seconds"),
        "torch": record.environment.get("torch"),
        "device": record.environment.get("device"),
        "content": canonical(record.content),
    }
    metrics: list[dict[str, Any]] = [
        {
            "metric": name,
            **(record.summary[name].model_dump() if name in record.summary else {}),
            "unit": metric.unit,
            "denominator": metric.denominator,
            "values": [float(v) for v in metric.values],
        }
        for name, metric in sorted(record.scores.items())
    ]
    return [cell | metric | about for metric in metrics or [{"metric": None}]]


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
