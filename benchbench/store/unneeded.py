"""Removing the files of a store that nothing needs any more. Imports no torch."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from filelock import Timeout

from benchbench.errors import BenchbenchError
from benchbench.store.files import Store, half_written, read_lines
from benchbench.store.plans import PlanFile
from benchbench.store.records import SCHEMA

#: The folders of a store, besides those of stages, whose files are replaced during a run.
WRITTEN = ("index", "plans", "progress", "records")


class _Content(msgspec.Struct):
    stages: list[str] = []


class _Stages(msgspec.Struct):
    """A record, reduced to the stages that its training went through."""

    key: str
    content: _Content
    schema_version: Annotated[int, msgspec.Meta(le=SCHEMA)] = SCHEMA


def collect(results: Path, plans: list[PlanFile], problems: list[str], *, dry_run: bool) -> list[tuple[Path, int]]:
    """Remove the checkpoints of stages that no plan or record names, features, which can be made again, and
    half-written files; returns (path, bytes) of each file. With `dry_run` nothing is removed. Stages that a run holds
    are left alone.

    Raises BenchbenchError if a plan or record is unreadable, since it may need what nothing else needs.
    """
    records = results / "records"
    found, unreadable = read_lines(results, msgspec.json.Decoder(_Stages).decode) if records.is_dir() else ([], [])
    if problems or unreadable:
        raise BenchbenchError(
            f"nothing was removed, for what cannot be read may need it: {[*problems, *unreadable][0]}"
        )
    needed = {stage[:16] for plan in plans for t in plan.trainings for stage in t.stages}
    needed |= {stage[:16] for r in found for stage in r.content.stages}
    store, removed = Store(results), []
    for folder in sorted((results / "checkpoints").glob("*")):
        files = sorted(folder.iterdir())
        gone = [f for f in files if folder.name not in needed or f.name.startswith(".") or ".damaged-" in f.name]
        if not gone:
            continue
        lease = store.lease(folder.name)
        try:
            lease.acquire(timeout=0)
        except Timeout:
            continue
        try:
            removed += [(f, f.stat().st_size) for f in gone]
            if not dry_run:
                for f in gone:
                    f.unlink()
                if len(gone) == len(files):
                    folder.rmdir()
        finally:
            lease.release()
    features = sorted(store.features.glob("*.safetensors"))
    for path in [*features, *(path for name in (*WRITTEN, "features") for path in half_written(results / name))]:
        removed.append((path, path.stat().st_size))
        if not dry_run:
            path.unlink()
    for path in () if dry_run else (results / "leases").glob("*.lease"):
        # A lease that can be acquired is held by no one, and its file goes when it is released.
        with suppress(Timeout), store.lease(path.stem).acquire(timeout=0):
            pass
    return removed
