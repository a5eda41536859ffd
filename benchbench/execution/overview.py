"""What a store says of its runs, read without torch: plans, and what runs now."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchbench.errors import BenchbenchError
from benchbench.execution.briefs import Kind
from benchbench.store import Store, atomic_write

if TYPE_CHECKING:
    from benchbench.plan import Plan

#: Seconds after which a progress file that nobody wrote again belongs to a run that was killed.
STALE = 60.0


class PlannedCell(msgspec.Struct, gc=False):
    """A cell of a plan."""

    key: str
    target: str
    protocol: str


class PlannedTraining(msgspec.Struct, gc=False):
    """A training of a plan; `stages` are the keys of its stages."""

    key: str
    label: str
    method: Kind
    source: str
    seed: int
    stages: list[str]
    cells: list[PlannedCell]


class PlanFile(msgspec.Struct):
    """What a run into a store set out to do: a file in ``plans/``, one a matrix."""

    matrix: str
    trainings: list[PlannedTraining]


def write_plan(plan: "Plan", store: Store) -> None:
    """Leave a plan for the commands that import no plugin."""
    trainings = [
        PlannedTraining(
            t.key,
            t.label,
            Kind(**t.method.model_dump()),
            t.source_name,
            t.seed,
            [s.key for s in t.stages],
            [PlannedCell(c.key, c.target.name.split(":")[-1], c.protocol) for c in t.cells],
        )
        for t in plan.trainings
    ]
    content = msgspec.json.encode(PlanFile(plan.matrix.name, trainings))
    atomic_write(store.root / "plans" / f"{plan.matrix.name}.json", content)


def read_plans(results: Path) -> tuple[list[PlanFile], list[str]]:
    """The plans of a results folder, by name of their matrix, and one message for each file that is none.

    Raises BenchbenchError where no run was started in it, OSError where they cannot be read.
    """
    folder = results / "plans"
    # Not `glob`, to which a folder that may not be read is empty.
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".json") if folder.is_dir() else []
    if not paths:
        raise BenchbenchError(f"no run was started in {results}: `benchbench run` starts one")
    decoder = msgspec.json.Decoder(PlanFile)
    plans, problems = [], []
    for path in paths:
        try:
            plans.append(decoder.decode(path.read_bytes()))
        except ValueError:
            problems.append(f"{path}: not a plan, left out; running the matrix again writes it anew")
    return plans, problems


def progress_files(results: Path) -> Iterator[dict[str, Any]]:
    """What each training that runs now says of itself; files that are stale, gone or half written are left out."""
    for path in sorted((results / "progress").glob("*.json")):
        try:
            about = json.loads(path.read_text("utf-8"))
            fresh = time.time() - path.stat().st_mtime < STALE
        except (OSError, ValueError):
            continue
        if fresh and isinstance(about, dict):
            yield {"key": path.stem, **about}
