"""Views of records: pure functions of a grid, by name. All take the same filters."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from benchbench.errors import BenchbenchError, suggest
from benchbench.leaderboard.aggregate import Table, costs, tabulated
from benchbench.leaderboard.cells import Cell, cells_of, meant
from benchbench.leaderboard.grid import Grid, grid
from benchbench.leaderboard.views.comparison import robust, significance, which
from benchbench.leaderboard.views.cost import pareto
from benchbench.leaderboard.views.curves import adaptation, learning, shots
from benchbench.leaderboard.views.diagnostics import diagnostics
from benchbench.leaderboard.views.effects import effects
from benchbench.leaderboard.views.overfitting import overfitting
from benchbench.leaderboard.views.readers import readers
from benchbench.leaderboard.views.scaling import scaling
from benchbench.leaderboard.views.tables import overall, protocol, target
from benchbench.leaderboard.views.transfer import best_transfer, transfer
from benchbench.store.records import Record

VIEWS: dict[str, Callable[[Grid], Table]] = {
    "overall": overall,
    "target": target,
    "protocol": protocol,
    "shots": shots,
    "effects": effects,
    "scaling": scaling,
    "readers": readers,
    "pareto": pareto,
    "transfer": transfer,
    "best-transfer": best_transfer,
    "diagnostics": diagnostics,
    "learning": learning,
    "adaptation": adaptation,
    "overfitting": overfitting,
    "significance": significance,
    "robust": robust,
    "which": which,
}
#: The filters that name a component, and its kind.
NAMED_OPTIONS = {"target": "dataset", "protocol": "protocol", "backbone": "backbone", "source": "dataset"}
#: The filters that are budgets: what `costs` calls them, and what a person does.
BUDGETS = {"seconds": ("train_seconds", "training seconds"), "samples": ("samples",) * 2, "flops": ("flops", "FLOPs")}
#: Views that need only summaries; the others read the scores or curves of whole records.
OF_SUMMARIES = {"overall", "protocol", "shots", "pareto", "transfer", "robust", "readers"}


@dataclass(frozen=True)
class Filters:
    """Which records to look at. `seconds`, `samples` and `flops`: most of a method's training (seconds as the mean over
    its trainings); a method whose records do not say is left out. `labels` and `selection_labels`: ``none`` for methods
    that were trained, or chosen, without labels, ``weights`` for those that began with weights pretrained with labels
    and read no others. `transductive`: ``no`` for those whose scores of a query never depend on the other queries. A
    component's name, in any spelling, also means every one of it that a matrix gave a name of its own. Floors have no
    source and pass any `source`, and any budget. `modality`: of the target's samples."""

    target: str | None = None
    protocol: str | None = None
    backbone: str | None = None
    source: str | None = None
    shots: int | None = None
    seconds: float | None = None
    samples: float | None = None
    flops: float | None = None
    labels: Literal["none", "weights", "source"] | None = None
    selection_labels: Literal["none", "source"] | None = None
    transductive: Literal["yes", "no"] | None = None
    modality: str | None = None


def view(
    name: str, records: Iterable[Record | Cell], filters: Filters | None = None, *, external: bool = False
) -> Table:
    """The table of a view. Raises BenchbenchError for an unknown view, for a filter value that no record has, and if no
    record is left."""
    if name not in VIEWS:
        raise BenchbenchError(f"unknown view {name!r}{suggest(name, VIEWS)}")
    found = filtered(records, filters or Filters())
    if name == "overall":
        return tabulated(found, external=external)
    counted = found.counted(external=external)
    if not counted.everything:
        raise BenchbenchError(f"view {name}: all records here are external: --external ranked takes them in")
    table = VIEWS[name](counted)
    given = ((getattr(filters or Filters(), option), what) for option, (_, what) in BUDGETS.items())
    if limits := [f"{most:,.15g} {what}" for most, what in given if most is not None]:
        table.notes.insert(0, f"Only methods whose training took at most {' and '.join(limits)}; floors take none.")
    if left := len(found.members) - len(counted.members):
        table.notes.append(f"{left} external rows are left out: --external ranked takes them in.")
    return table


def filtered(records: Iterable[Record | Cell], filters: Filters) -> Grid:
    """The grid of the records that pass the filters."""
    cells, conflicts = cells_of(records)
    for option in fields(filters):
        wanted = getattr(filters, option.name)
        if wanted is None or option.name in BUDGETS:
            continue
        if kind := NAMED_OPTIONS.get(option.name):
            cells = _called(cells, option.name, kind, wanted)
            continue
        if option.name == "transductive":
            cells = [c for c in cells if c.ok and c.transductive == (wanted == "yes")]
            continue
        known = {str(getattr(c, option.name)) for c in cells if getattr(c, option.name) is not None}
        if not option.name.endswith("labels") and str(wanted) not in known:
            raise BenchbenchError(f"--{option.name} {wanted}: no record has it{suggest(str(wanted), known)}")
        cells = [c for c in cells if getattr(c, option.name) == wanted]
    found = grid(cells)
    if limits := _limits(filters):
        kept = [members for members in found.members.values() if _within(members, limits)]
        found = grid(c for members in kept for c in members)
    if not found.everything:
        raise BenchbenchError(f"no record passes {_described(filters)}")
    found.conflicts.extend(conflicts)
    return found


def _limits(filters: Filters) -> dict[str, float]:
    given = {cost: getattr(filters, name) for name, (cost, _) in BUDGETS.items()}
    return {cost: most for cost, most in given.items() if most is not None}


def _within(members: list[Cell], limits: Mapping[str, float]) -> bool:
    if all(c.floor for c in members):
        return True
    paid = costs(members)
    return all(paid[cost] is not None and paid[cost] <= most for cost, most in limits.items())


def _called(cells: list[Cell], axis: str, kind: str, wanted: str) -> list[Cell]:
    names = [(getattr(c, axis), c.component(axis)) for c in cells]
    kept = meant(kind, wanted, names)
    if not kept:
        raise BenchbenchError(f"--{axis} {wanted}: no record has it{suggest(wanted, {name for name, _ in names})}")
    return [c for c, name in zip(cells, names, strict=True) if name in kept or (axis == "source" and c.floor)]


def _described(filters: Filters) -> str:
    given = {f.name.replace("_", "-"): getattr(filters, f.name) for f in fields(filters)}
    given = {name: value for name, value in given.items() if value is not None}
    return " ".join(f"--{name} {value}" for name, value in given.items()) or "without a filter"
