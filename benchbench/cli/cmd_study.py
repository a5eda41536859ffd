from pathlib import Path

import click

from benchbench.cli.reading import warned
from benchbench.errors import BenchbenchError
from benchbench.leaderboard.render import markdown, terminal
from benchbench.leaderboard.stated.contrasts import contrasts
from benchbench.leaderboard.stated.preregistered import load_study
from benchbench.store.files import atomic_write, read_records


@click.command("study")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="What was written down (default: the packaged study).")
@click.option("--output", type=click.Path(path_type=Path), help="Write the table as Markdown into this file.")
def command(results: Path, study: Path | None, output: Path | None) -> None:
    """Answer the contrasts of a study from the records in RESULTS (default: runs)."""
    stated = load_study(study)
    if not results.exists():
        raise BenchbenchError(f"no results folder {results}")
    table = contrasts(stated, warned(read_records(results)))
    click.echo(terminal(table))
    if output:
        atomic_write(output, markdown(table).encode())
        click.echo(f"wrote {output}", err=True)
