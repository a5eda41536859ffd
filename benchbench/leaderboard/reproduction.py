"""Published numbers beside ours: which were reproduced, by bands that were stated beforehand. Imports no torch."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbench.errors import BenchbenchError, suggest
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.statistics.intervals import Interval, hierarchical
from benchbench.records import Record
from benchbench.tasks import tasks_folder

Percent = Annotated[float, Field(ge=0, le=100)]

NOTES = (
    "published and ours: percent of correct queries. band: what counts as reproduced, stated before training; a "
    "verdict is about the mean alone.",
    "± episodes: 1.96 standard errors over the draw of test episodes, for these trainings. ± seeds: 95% interval over "
    "training seeds on these episodes; one seed has none (–).",
    "not run: no record is there. failed: a training ended without a result. Every published number that is listed is "
    "shown, whatever became of it.",
    "train s: wall seconds of one training, the mean over seeds, which depend on the machine.",
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Cell(_Strict):
    """Which records are ours: all seeds of one method of a matrix under one protocol."""

    matrix: str
    pretext: str
    meta: str
    protocol: str

    def holds(self, record: Record) -> bool:
        """Whether a record is one of these."""
        where = (record.matrix, record.method.pretext, record.method.meta, record.protocol)
        return where == (self.matrix, self.pretext, self.meta, self.protocol)


class Published(_Strict):
    """One published number, in percent, with the band (low, high) that ours must fall in."""

    method: str
    protocol: str
    published: Percent
    source: str
    band: Annotated[list[Percent], Field(min_length=2, max_length=2)]
    cell: Cell

    @model_validator(mode="after")
    def _ordered(self) -> "Published":
        if self.band[0] > self.band[1]:
            raise ValueError(f"band {self.band} must rise")
        return self


class _File(_Strict):
    row: Annotated[list[Published], Field(min_length=1)]


def load_published(path: Path | None = None) -> list[Published]:
    """The rows of a file of published numbers, by default the packaged one.

    Raises BenchbenchError that names file and key.
    """
    path = path or tasks_folder() / "published.toml"
    try:
        return _File.model_validate(tomllib.loads(path.read_text("utf-8"))).row
    except (OSError, UnicodeDecodeError) as error:
        raise BenchbenchError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BenchbenchError(f"{path}: TOML syntax error: {error}") from None
    except ValidationError as error:
        # A misspelt key is also a missing one; its own name says more.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        key, message = ".".join(map(str, first["loc"])), first["msg"]
        near = ""
        if first["type"] == "extra_forbidden":
            fields = Cell.model_fields if "cell" in first["loc"][:-1] else Published.model_fields
            near = suggest(str(first["loc"][-1]), fields if len(first["loc"]) > 1 else ["row"])
        raise BenchbenchError(f"{path}: {key}: {message[0].lower()}{message[1:]}{near}") from None


def reproduction(records: Iterable[Record], published: list[Published]) -> Table:
    """One row a published number, in their order, none left out."""
    held = list(records)
    shown, numbers = [], []
    for row in published:
        ours = [r for r in held if row.cell.holds(r)]
        scored = sorted((r for r in ours if r.status == "ok"), key=lambda r: r.seed)
        if len({r.seed for r in scored}) < len(scored):
            raise BenchbenchError(f"{row.method}, {row.protocol}: several records of one seed: {_keys(scored)}")
        found = hierarchical([r.scores["accuracy"].fractions() for r in scored]) if scored else None
        values = _values(row, scored, found, failed=len(ours) - len(scored))
        numbers.append(values)
        shown.append({name: _shown(name, value) for name, value in values.items()})
    return Table(pd.DataFrame(shown), pd.DataFrame(numbers), notes=list(NOTES), title="Reproduction")


def _values(row: Published, scored: list[Record], found: Interval | None, failed: int) -> dict[str, Any]:
    seeds = found is not None and found.over == "seeds"
    seconds = [r.timing["train_seconds"] for r in scored if "train_seconds" in r.timing]
    return {
        "method": row.method,
        "protocol": row.protocol,
        "published": row.published,
        "band": f"{row.band[0]:.1f} to {row.band[1]:.1f}",
        "ours": found and 100 * found.mean,
        "± episodes": found and 196 * found.episode_se,
        "± seeds": 100 * found.half if found and seeds else None,
        "seeds": len(scored),
        "verdict": verdict(row, found, failed),
        "train s": sum(seconds) / len(seconds) if seconds else None,
        "source": row.source,
    }


def verdict(row: Published, found: Interval | None, failed: int) -> str:
    """``within``, or by how many points the mean misses the band; where nothing was scored, why."""
    if found is None:
        return "failed" if failed else "not run"
    mean, (low, high) = 100 * found.mean, row.band
    outcome = "within"
    if mean < low:
        outcome = f"missed: {low - mean:.2f} below"
    elif mean > high:
        outcome = f"missed: {mean - high:.2f} above"
    return f"{outcome}; {failed} failed" if failed else outcome


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "train s":
        return f"{value:,.0f}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _keys(records: list[Record]) -> str:
    return ", ".join(r.key[:12] for r in records)
