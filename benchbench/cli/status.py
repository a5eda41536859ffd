import json
from pathlib import Path

import click
from tabulate import tabulate

from benchbench.errors import BenchbenchError
from benchbench.store import read_records


@click.command("status")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
def command(results: Path) -> None:
    """Say for each matrix that was run into RESULTS (default: runs) which cells are done, failed and waiting."""
    plans = sorted((results / "plans").glob("*.json"))
    if not plans:
        raise BenchbenchError(f"no run was started in {results}: `benchbench run` starts one")
    state = {r.key: r.status for r in (read_records(results)[0] if (results / "records").exists() else [])}
    rows = []
    for path in plans:
        content = json.loads(path.read_text("utf-8"))
        cells = [cell for training in content["trainings"] for cell in training["cells"]]
        counts = [sum(state.get(c) == s for c in cells) for s in ("ok", "failed")]
        rows.append([content["matrix"], len(content["trainings"]), len(cells), *counts, len(cells) - sum(counts)])
    click.echo(tabulate(rows, ["matrix", "trainings", "cells", "done", "failed", "waiting"]))
