"""A study as it was written down before its first training: the design, and contrasts with what is expected of them."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchbench.leaderboard.stated.published import Expected, Strict
from benchbench.planning.matrix import valid
from benchbench.planning.task_files import task_file
from benchbench.planning.toml import read_toml


class Side(Strict):
    """One side of a contrast: a method at a budget, on every source and target of the design."""

    pretext: str
    meta: str
    samples: int


class Pair(Strict):
    """`first` minus `second`."""

    first: Side
    second: Side


class Contrast(Pair):
    """A comparison that was planned, and the effect in percentage points that was `expected` (low, high). With
    `beyond`, by how much the difference exceeds that one."""

    name: str
    claim: str
    expected: Expected
    beyond: Pair | None = None


class Design(Strict):
    """What is trained: every pretext with every method, on every source, at every budget from the method's `smallest`
    to its `largest`, once for each seed."""

    sources: list[str]
    pretexts: list[str]
    methods: list[str]
    budgets: list[int]
    smallest: dict[str, int] = {}
    largest: dict[str, int] = {}
    seeds: list[int]
    protocol: str
    episodes: int
    tuning: dict[str, Any]

    def sides(self) -> list[Side]:
        """All that is trained for."""
        return [
            Side(pretext=pretext, meta=meta, samples=samples)
            for pretext in self.pretexts
            for meta in self.methods
            for samples in self.budgets
            if self.smallest.get(meta, samples) <= samples <= self.largest.get(meta, samples)
        ]


class Study(Strict):
    """The content of a study file. `domains`, `analysis`, `attack` and `extension` are for readers."""

    matrix: str
    design: Design
    contrast: Annotated[list[Contrast], Field(min_length=1, max_length=6)]
    domains: dict[str, Any] = {}
    analysis: dict[str, str] = {}
    attack: list[dict[str, str]] = []
    extension: list[dict[str, str]] = []
    amendments: list[dict[str, str]] = []


def load_study(name: str | Path = "study") -> Study:
    """The study in a TOML file, or a packaged one by name. Raises a BenchbenchError that names file and key."""
    path = task_file("study", str(name), "study*.toml")
    study: Study = valid(Study, read_toml(path), str(path))
    return study
