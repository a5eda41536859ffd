from pathlib import Path

import click

from benchbench.cli.reading import warned
from benchbench.errors import BenchbenchError
from benchbench.leaderboard.render import markdown, terminal
from benchbench.leaderboard.stated.findings import findings
from benchbench.leaderboard.stated.published import load_published
from benchbench.leaderboard.stated.reproduction import reproduction
from benchbench.store.files import atomic_write, read_records
from benchbench.store.records import Record


@click.command("reproduce")
@click.argument("folders", metavar="[RESULTS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--published", default="published", help="A .toml file of published numbers (default: the packaged one).")
@click.option("--output", type=click.Path(path_type=Path), help="Write the table as Markdown into this file.")
def command(folders: tuple[Path, ...], published: str, output: Path | None) -> None:
    """Set published numbers and findings beside those of the records in RESULTS (default: runs)."""
    stated = load_published(published)
    records: list[Record] = []
    for folder in folders or (Path("runs"),):
        if not folder.exists():
            raise BenchbenchError(f"no results folder {folder}")
        records += warned(read_records(folder))
    tables = [reproduction(records, stated.row), *([findings(records, stated.finding)] if stated.finding else [])]
    click.echo("\n\n".join(map(terminal, tables)))
    if output:
        atomic_write(output, "\n".join(map(markdown, tables)).encode())
        click.echo(f"wrote {output}", err=True)
