import json
import time
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from benchbench.errors import BenchbenchError
from benchbench.store import read_records

#: Seconds after which a progress file that nobody wrote again belongs to a run that was killed.
STALE = 60.0


@click.command("status")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
def command(results: Path) -> None:
    """Say for each matrix that was run into RESULTS (default: runs) which cells are done, failed and waiting, and what
    runs now."""
    plans = sorted((results / "plans").glob("*.json"))
    if not plans:
        raise BenchbenchError(f"no run was started in {results}: `benchbench run` starts one")
    records, problems = read_records(results) if (results / "records").exists() else ([], [])
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    state: dict[str, str] = {r.key: r.status for r in records}
    rows = [row for path in plans if (row := _row(path, state))]
    click.echo(tabulate(rows, ["matrix", "trainings", "cells", "done", "failed", "waiting"], disable_numparse=True))
    for path in sorted((results / "progress").glob("*.json")):
        if line := _running(path):
            click.echo(f"running: {line}")


def _row(path: Path, state: dict[str, str]) -> list[Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        name, trainings = content["matrix"], content["trainings"]
        cells = {cell for training in trainings for cell in training["cells"]}
    except (ValueError, KeyError, TypeError):
        click.echo(f"warning: {path}: not a plan, left out; running the matrix again writes it anew", err=True)
        return None
    counts = [sum(state.get(c) == s for c in cells) for s in ("ok", "failed")]
    return [name, len(trainings), len(cells), *counts, len(cells) - sum(counts)]


def _running(path: Path) -> str | None:
    """One line on a training, or None where its file is stale, or is gone since the folder was listed."""
    try:
        if time.time() - path.stat().st_mtime >= STALE:
            return None
        p = json.loads(path.read_text("utf-8"))
        where = (
            f"step {p['step']}/{p['steps']}"
            if "step" in p
            else f"scoring {p['scoring']}"
            if "scoring" in p
            else "starts"
        )
        parts = [f"{p['label']}: {where}"]
        parts += [f"{name} {p[name]:.3g}" for name in ("loss", "accuracy") if p.get(name) is not None]
        if p.get("seconds_left") is not None:
            parts.append(f"{p['seconds_left']:.0f} s left")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ", ".join(parts)
