from pathlib import Path

import click

from benchbench.errors import BenchbenchError
from benchbench.hooks import Hooks
from benchbench.leaderboard.aggregate import Columns, aggregate
from benchbench.leaderboard.render import csv, markdown, terminal, write_leaderboard
from benchbench.records import Record
from benchbench.store import read_records


def hook_columns() -> Columns:
    """The columns that installed hook plugins add."""
    hooks = Hooks.installed()

    def columns(records: list[Record]) -> dict[str, str]:
        found: dict[str, str] = {}
        for extra in hooks.call("leaderboard_columns", records=records):
            found |= extra or {}
        return found

    return columns


@click.command("leaderboard")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["terminal", "markdown", "csv"]), default="terminal")
@click.option("--output", type=click.Path(path_type=Path), help="Also write Markdown, CSV and HTML into this folder.")
def command(results: Path, style: str, output: Path | None) -> None:
    """Render the leaderboard of RESULTS (default: runs)."""
    records, problems = read_records(results)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    if not records:
        raise BenchbenchError(f"no records in {results}: `benchbench run` makes some")
    columns = hook_columns()
    table = aggregate(records, columns)
    render = {"terminal": terminal, "markdown": markdown, "csv": csv}[style]
    click.echo(render(table).rstrip("\n"))
    if output:
        for path in write_leaderboard(records, output, columns):
            click.echo(f"wrote {path}", err=True)
