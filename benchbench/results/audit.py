"""Retrains committed records from scratch. Imports torch.

That tables follow from records is proven elsewhere; this proves the records. What a record holds must suffice: its
content becomes a matrix of one cell, the matrix is planned, its keys must be the record's, it is trained in a store of
its own, and its scores must be the record's.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Literal

from benchbench.components.reference import ComponentRef, bare, unlocated
from benchbench.components.registry import find
from benchbench.errors import BenchbenchError, DataMissing, suggest
from benchbench.execution.job import Event
from benchbench.execution.run import default_device, run_plan
from benchbench.packaged import tasks_folder
from benchbench.planning.matrix import Matrix, parse_matrix
from benchbench.planning.plan import plan
from benchbench.results.git import at_revision
from benchbench.results.merge import whole_records, write_records
from benchbench.revisions import is_earlier
from benchbench.store.content import COMPONENTS
from benchbench.store.records import Record, differences
from benchbench.training.chain import Training

#: Percentage points by which a mean may differ if torch, machine or device differs from the record's. Summing in
#: another order changes the last digit of a weight, training amplifies it, and some borderline queries change class.
TOLERANCE = 2.0
#: Fields of an environment: if all are equal, identical bits are expected.
PLATFORM = ("torch", "machine", "device")


State = Literal["same", "near", "different", "unavailable"]


@dataclass(frozen=True)
class Verdict:
    """The result for one record: the `same` scores down to the last episode, means `near` each other, `different`, or
    `unavailable` if its plugins or data are not here, or an earlier harness made it. `detail` says it in words."""

    record: Record
    state: State
    detail: str


def sample(records: Iterable[Record], seed: int) -> list[Record]:
    """The scored records in a random order that depends only on `seed` and their keys, so adding a record moves no
    other."""
    scored = [r for r in records if r.status == "ok"]
    return sorted(scored, key=lambda r: hashlib.sha256(f"{seed}/{r.key}".encode()).hexdigest())


def added(folders: Iterable[Path], revision: str) -> list[tuple[Path, Record]]:
    """The scored records of results folders that are not in a git revision, each with its folder: what a request adds,
    or changes."""
    found = []
    for folder in folders:
        known = {r.key: r for r in at_revision(folder, revision)}
        new = [r for r in whole_records(folder) if r.key not in known or differences(known[r.key], r)]
        found += [(folder, r) for r in new if r.status == "ok"]
    return found


def verify(folder: Path, verdicts: Iterable[Verdict]) -> int:
    """Mark the external records of a folder that an audit repeated as verified; returns how many."""
    repeated = [v.record for v in verdicts if v.state in ("same", "near") and v.record.origin == "external"]
    write_records((r.model_copy(update={"origin": "verified"}) for r in repeated), folder)
    return len(repeated)


def audit(
    records: Iterable[Record],
    count: int,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    paths: Mapping[str, str] = MappingProxyType({}),
    report: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Repeat `count` randomly chosen records; those whose plugins or data are not here are skipped and named.

    Scores must be equal if torch, machine and device match the record's; otherwise means may differ by `TOLERANCE`
    percentage points. A `tolerance` that is given applies in both cases. `paths` say where data are here, as
    `matrix_of` takes them.
    """
    _check_paths(paths)
    verdicts: list[Verdict] = []
    with TemporaryDirectory(prefix="benchbench-audit-") as store:
        for record in sample(records, seed):
            if sum(v.state != "unavailable" for v in verdicts) == count:
                break
            verdicts.append(_repeat(record, Path(store), tolerance, paths))
            report(verdicts[-1])
    return verdicts


def _repeat(record: Record, store: Path, tolerance: float | None, paths: Mapping[str, str]) -> Verdict:
    if missing := _missing_plugin(record):
        return Verdict(record, "unavailable", missing)
    if is_earlier(record.content.get("harness", {})):
        return Verdict(record, "unavailable", "an earlier revision of the harness made it, whose results differ")
    try:
        todo = plan(matrix_of(record, paths))
    except DataMissing as error:
        return Verdict(record, "unavailable", str(error))
    except BenchbenchError as error:
        # A floor does not hold its source's settings, without which some sources are nothing.
        state: State = "different" if "source" in record.content else "unavailable"
        return Verdict(record, state, f"cannot be planned: {error}")
    training = todo.trainings[0]
    if changes := _changes(record, training):
        return Verdict(record, "different", changes)
    device = "cpu" if record.environment.get("device") == "cpu" else default_device()
    failures: list[str] = []

    def hear(event: Event) -> None:
        if event.kind == "failed":
            failures.append(str(event.data))

    outcome = run_plan(todo, store, jobs=1, executor="inline", device=device, report=hear)
    if failures:
        return Verdict(record, "different", f"training it again failed: {failures[0]}")
    return _compare(record, outcome.records[0], tolerance)


def matrix_of(record: Record, paths: Mapping[str, str] = MappingProxyType({})) -> Matrix:
    """The matrix of one cell that a record's content describes. `paths` are those of datasets, which records do not
    hold: ``DATASET.SETTING`` and the path.

    Raises BenchbenchError if the record does not hold what is needed, or if its protocol's name is neither a
    component's nor a preset's here; DataMissing if its data were read from a path, which records do not hold. A floor
    lacks its source's settings, of which only the image shape matters.
    """
    content, recipe = record.content, record.content.get("recipe", {})
    needed = {"pretext", "learner", "backbone", "target", "protocol"} - content.keys()
    if needed:
        raise BenchbenchError(f"its content lacks {', '.join(sorted(needed))}")
    source = content.get("source", {"name": record.source, "settings": {}})
    if record.source == record.target and "source" not in content:
        source = content["target"]
    source, target = (
        {**c, "settings": c["settings"] | _located(c["name"], paths)} for c in (source, content["target"])
    )
    # A matrix gives a dataset's settings once: where both are one, the target's path is the source's too.
    shared = target["settings"] if source["name"] == target["name"] else {}
    for data, known in ((source, {**source["settings"], **shared}), (target, target["settings"])):
        if lacking := "source" in content and unlocated("dataset", known, data["name"]):
            raise DataMissing(f"its data were read from a path, and records hold none: {', '.join(lacking)}")
    protocol = record.protocol
    if not (tasks_folder() / "protocols" / f"{protocol}.toml").exists():
        find("protocol", protocol)
    settings = {
        "pretext": [content["pretext"]],
        "meta": [content["learner"]],
        "backbone": [content["backbone"]],
        "dataset": [source, target],
        "protocol": [{**content["protocol"], "name": protocol}],
    }
    described = {
        "name": record.matrix,
        "seeds": [record.seed],
        "floors": False,
        "axes": {
            "pretext": [content["pretext"]["name"]],
            "meta": [content["learner"]["name"]],
            "backbone": [content["backbone"]["name"]],
            "source": [source["name"]],
            "target": [content["target"]["name"]],
            "protocol": [protocol],
            "regime": [record.method.regime],
        },
        **{name: value for name, value in recipe.items() if name not in ("training", "precision")},
        "training": {**recipe["training"], "precision": recipe["precision"]},
        "tuned": content.get("tuned", []),
        "settings": {kind: {c["name"]: _written(c["settings"]) for c in found} for kind, found in settings.items()},
    }
    return parse_matrix(described, f"record {record.key[:12]}")


def _check_paths(paths: Mapping[str, str]) -> None:
    """Raise BenchbenchError for what is no path of a dataset."""
    for path in paths:
        name, _, setting = path.partition(".")
        known: frozenset[str] = getattr(find("dataset", name).load(), "locators", frozenset())
        if setting not in known:
            raise BenchbenchError(f"--path {path}: dataset {name} has no such path{suggest(setting, known)}")


def _located(name: str, paths: Mapping[str, str]) -> dict[str, str]:
    """The settings of a dataset that say where its files are here."""
    return {k.partition(".")[2]: v for k, v in paths.items() if k.partition(".")[0] == bare(name)}


def _written(settings: Any) -> Any:
    """Settings as a matrix writes them: a component inside them is given by its name and settings, without its
    revision, so that the installed one is used."""
    if isinstance(settings, list):
        return [_written(item) for item in settings]
    if not isinstance(settings, dict):
        return settings
    if settings.keys() == {"kind", "name", "revision", "settings"}:
        return {"name": settings["name"], **_written(settings["settings"])}
    return {name: _written(value) for name, value in settings.items()}


def _missing_plugin(record: Record) -> str | None:
    """Why a component that a record names is not available here, or None. Those it does not name are found in
    planning."""
    for field, kind in COMPONENTS.items():
        if name := record.content.get(field, {}).get("name"):
            try:
                find(kind, name).load()
            except BenchbenchError as error:
                return str(error)
    return None


def _changes(record: Record, training: Training) -> str:
    """How the planned training and cell differ from the record's; empty if they do not."""
    cell = training.cells[0]
    planned = {**training.content, "recipe": training.recipe}
    # Where the target's data are is another thing here; what they are is in the key.
    planned |= {"target": _of(cell.target, cell.target.load()), "protocol": _of(cell.component)}
    recorded = {
        **record.content,
        "target": _of(record.content["target"], cell.target.load()),
        "protocol": _of(record.content["protocol"]),
    }
    differ = [name for name in planned if name != "stages" and planned[name] != recorded.get(name)]
    if differ:
        return "; ".join(f"{name} is {planned[name]} here, recorded {recorded.get(name)}" for name in differ)
    if training.key != record.training_key:
        return "its training key is not what its settings give with this revision of the engine"
    if cell.key != record.key:
        return "its key is not what its settings give with the target's data and the revision of episodes here"
    return ""


def _of(component: ComponentRef | dict[str, Any], cls: Any = None) -> dict[str, Any]:
    """Name, revision and settings, without the paths of its class `cls`, if given."""
    held = component if isinstance(component, dict) else component.model_dump()
    settings = {k: v for k, v in held["settings"].items() if k not in getattr(cls, "locators", ())}
    return {"name": held.get("name"), "revision": held.get("revision"), "settings": settings}


def _compare(record: Record, again: Record, tolerance: float | None) -> Verdict:
    if again.episodes_hash != record.episodes_hash:
        return Verdict(record, "different", "its test episodes are others")
    if again.scores == record.scores:
        return Verdict(record, "same", "every score is the same")
    same_platform = all(record.environment.get(name) == again.environment.get(name) for name in PLATFORM)
    allowed = (0.0 if same_platform else TOLERANCE) if tolerance is None else tolerance
    gaps = {
        name: 100 * (again.summary[name].mean - summary.mean)
        for name, summary in record.summary.items()
        if name in again.summary
    }
    if not gaps:
        return Verdict(record, "different", f"it has other metrics: {', '.join(again.summary) or 'none'}")
    name = max(gaps, key=lambda n: abs(gaps[n]))
    detail = (
        f"{name} {100 * record.summary[name].mean:.2f} was recorded, {100 * again.summary[name].mean:.2f} repeated "
        f"({gaps[name]:+.2f} points; allowed {allowed:g}{' on the same platform' if same_platform else ''})"
    )
    return Verdict(record, "near" if abs(gaps[name]) <= allowed and allowed else "different", detail)
