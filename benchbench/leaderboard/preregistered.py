"""A study as it was written down before its first training: the design, and contrasts with what is expected of them."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from benchbench.errors import BenchbenchError, suggest
from benchbench.packaged import tasks_folder
from benchbench.planning.toml import read_toml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Side(_Strict):
    """One side of a contrast: a method at a budget, on every source and target of the design."""

    pretext: str
    meta: str
    samples: int


class Pair(_Strict):
    """`first` minus `second`."""

    first: Side
    second: Side


def _rising(values: list[float]) -> list[float]:
    low, high = values
    if low >= high:
        raise ValueError("the first must be below the second")
    return values


class Contrast(Pair):
    """A comparison that was planned, and the effect in percentage points that was `expected` (low, high). With
    `beyond`, by how much the difference exceeds that one."""

    name: str
    claim: str
    expected: Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]
    beyond: Pair | None = None


class Design(_Strict):
    """What is trained: every pretext with every method, on every source, at every budget up to the method's `largest`,
    once for each seed."""

    sources: list[str]
    pretexts: list[str]
    methods: list[str]
    budgets: list[int]
    largest: dict[str, int] = {}
    seeds: list[int]
    protocol: str
    episodes: int
    tuning: dict[str, Any]


class Study(_Strict):
    """The content of a study file. `domains`, `analysis`, `attack` and `extension` are for readers."""

    matrix: str
    design: Design
    contrast: Annotated[list[Contrast], Field(min_length=1, max_length=6)]
    domains: dict[str, Any] = {}
    analysis: dict[str, str] = {}
    attack: list[dict[str, str]] = []
    extension: list[dict[str, str]] = []
    amendments: list[dict[str, str]] = []


def load_study(path: Path | None = None) -> Study:
    """A study file, by default the packaged one. Raises a BenchbenchError that names file and key."""
    path = path or tasks_folder() / "study.toml"
    try:
        return Study.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        place, said = [str(part) for part in first["loc"]], first["msg"]
        near = suggest(place[-1], Study.model_fields) if first["type"] == "extra_forbidden" else ""
        raise BenchbenchError(f"{path}: {'.'.join(place)}: {said[0].lower()}{said[1:]}{near}") from None
