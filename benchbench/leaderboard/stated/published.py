"""The published numbers and findings to set ours beside, from ``tasks/published.toml``. Does not import torch."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from benchbench.errors import BenchbenchError, suggest
from benchbench.planning.task_files import task_file
from benchbench.planning.toml import read_toml
from benchbench.revisions import is_earlier
from benchbench.store.records import Record

Percent = Annotated[float, Field(ge=0, le=100)]
Two = Field(min_length=2, max_length=2)


def _rising(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{bounds} must rise")
    return bounds


#: Bounds of what is expected of a difference, in percentage points (low, high).
Expected = Annotated[list[float], Two, AfterValidator(_rising)]


class Strict(BaseModel):
    """A table of a file of statements: every key is known, and has its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Cell(Strict):
    """Which records are ours, by what their matrix calls each axis: all seeds of one method under one protocol;
    `source`, `target`, `regime` and the `samples` of its budget if there are several."""

    matrix: str
    pretext: str
    meta: str
    protocol: str
    source: str | None = None
    target: str | None = None
    regime: str | None = None
    samples: int | None = None

    def of(self, records: Iterable[Record]) -> tuple[list[Record], bool]:
        """These among some records, and whether an earlier harness made them, as only counts where there is none of
        today's."""
        held = [record for record in records if self._holds(record)]
        current = [record for record in held if not is_earlier(record.content.get("harness", {}))]
        return current or held, bool(held) and not current

    def _holds(self, record: Record) -> bool:
        budget = record.content.get("recipe", {}).get("budget", {})
        own = record.content.get("names") or {}
        found = {**vars(record), **asdict(record.method), **own, "samples": budget.get("samples")}
        return all(wanted in (None, found[axis]) for axis, wanted in vars(self).items())


class Published(Strict):
    """One published number, in percent, with the band (low, high) that ours must fall in."""

    method: str
    protocol: str
    published: Percent
    source: str
    band: Annotated[list[Percent], Two, AfterValidator(_rising)]
    cell: Cell


class Comparison(Strict):
    """`first` minus `second`, on the same test episodes."""

    first: Cell
    second: Cell


class Finding(Comparison):
    """A published finding: the `expected` difference in accuracy, in percentage points (low, high). With `beyond`, by
    how much the difference exceeds that one. `history` says what the verdict was before a change of ours turned it."""

    claim: str
    source: str
    history: str | None = None
    expected: Expected
    beyond: Comparison | None = None


class PublishedFile(Strict):
    """The content of a file of published results."""

    row: Annotated[list[Published], Field(min_length=1)]
    finding: list[Finding] = []


def load_published(name: str | Path = "published") -> PublishedFile:
    """The published results in a TOML file, by default the packaged one.

    Raises a BenchbenchError that names file and key.
    """
    path = task_file("list of published numbers", str(name), "published.toml")
    content = read_toml(path)
    try:
        return PublishedFile.model_validate(content)
    except ValidationError as error:
        # A misspelt key also counts as a missing one, but its own name says more.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        names, message = [str(part) for part in first["loc"]], first["msg"]
        near = suggest(names[-1], _known(names[:-1])) if first["type"] == "extra_forbidden" else ""
        raise BenchbenchError(f"{path}: {'.'.join(names)}: {message[0].lower()}{message[1:]}{near}") from None


def _known(place: list[str]) -> list[str]:
    """The keys that the table at a place in the file may have."""
    tables: dict[str, type[BaseModel]] = {
        "row": Published, "finding": Finding, "beyond": Comparison, "cell": Cell, "first": Cell, "second": Cell,
    }  # fmt: skip
    named = [tables[part] for part in place if part in tables]
    return list((named or [PublishedFile])[-1].model_fields)
