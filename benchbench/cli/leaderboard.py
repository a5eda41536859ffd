import sys
from pathlib import Path

import click

from benchbench.errors import BenchbenchError
from benchbench.hooks import Hooks
from benchbench.leaderboard.aggregate import Columns, aggregate
from benchbench.leaderboard.check import check
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
@click.argument("folders", metavar="[RESULTS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["terminal", "markdown", "csv"]), default="terminal")
@click.option("--output", type=click.Path(path_type=Path), help="Also write Markdown, CSV and HTML into this folder.")
@click.option(
    "--check", "checking", is_flag=True, help="Exit with 1 where the files that are there (or in --output) differ."
)
def command(folders: tuple[Path, ...], style: str, output: Path | None, checking: bool) -> None:
    """Render the leaderboard of RESULTS (default: runs); with --check, compare that of each folder with its files."""
    folders = folders or (Path("runs"),)
    if len(folders) > 1 and (output or not checking):
        raise BenchbenchError(f"leaderboard takes one results folder, got {len(folders)}; only --check takes several")
    if checking:
        _check(folders, output)
        return
    results = folders[0]
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


def _check(folders: tuple[Path, ...], output: Path | None) -> None:
    columns = hook_columns()
    differences = [message for folder in folders for message in check(folder, output or folder, columns)]
    for message in differences:
        click.echo(message)
    if differences:
        click.echo(
            "the files above are not those that the records give: `benchbench leaderboard RESULTS --output RESULTS`"
        )
        sys.exit(1)
    click.echo(f"{', '.join(map(str, folders))}: every file is the one that the records give")
