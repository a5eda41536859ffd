from pathlib import Path

import click

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.render import markdown, terminal
from benchbench.leaderboard.reproduction import load_published, reproduction
from benchbench.records import Record
from benchbench.store import atomic_write, read_records


@click.command("reproduce")
@click.argument("folders", metavar="[RESULTS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--published", type=click.Path(path_type=Path), help="The published numbers (default: the packaged ones)."
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the table as Markdown into this file.")
def command(folders: tuple[Path, ...], published: Path | None, output: Path | None) -> None:
    """Set published numbers beside those of the records in RESULTS (default: runs)."""
    rows = load_published(published)
    records: list[Record] = []
    for folder in folders or (Path("runs"),):
        if not folder.exists():
            raise BenchbenchError(f"no results folder {folder}")
        found, problems = read_records(folder)
        records += found
        for problem in problems:
            click.echo(f"warning: {problem}", err=True)
    table = reproduction(records, rows)
    click.echo(terminal(table))
    if output:
        atomic_write(output, markdown(table).encode())
        click.echo(f"wrote {output}", err=True)
