"""What the runs into a store set out to do, readable without the plugins they need."""

from pathlib import Path

import msgspec

from benchbench.errors import BenchbenchError
from benchbench.store.files import Store, atomic_write
from benchbench.store.records import Method


class PlannedCell(msgspec.Struct, gc=False):
    """A cell of a plan."""

    key: str
    target: str
    protocol: str


class PlannedTraining(msgspec.Struct, gc=False):
    """A training of a plan; `stages` are the keys of its stages."""

    key: str
    label: str
    method: Method
    source: str
    seed: int
    stages: list[str]
    cells: list[PlannedCell]


class PlanFile(msgspec.Struct):
    """What a run into a store set out to do: a file in ``plans/``, one per matrix."""

    matrix: str
    trainings: list[PlannedTraining]


def write_plan(plan: PlanFile, store: Store) -> None:
    """Write a plan for the commands that import no plugins."""
    atomic_write(store.root / "plans" / f"{plan.matrix}.json", msgspec.json.encode(plan))


def read_plans(results: Path) -> tuple[list[PlanFile], list[str]]:
    """The plans of a results folder, in order of matrix name, and one message per file that is not a plan.

    Raises BenchbenchError if no run was started in the folder, OSError if the plans cannot be read.
    """
    folder = results / "plans"
    # Not `glob`, which takes an unreadable folder to be empty.
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
