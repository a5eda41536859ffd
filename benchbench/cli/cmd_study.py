from pathlib import Path

import click

from benchbench.cli.reading import warned
from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.render import markdown, terminal
from benchbench.leaderboard.stated.answers_by_budget import answers_by_budget
from benchbench.leaderboard.stated.answers_by_source import answers_by_source
from benchbench.leaderboard.stated.contrasts import contrasts
from benchbench.leaderboard.stated.preregistered import load_study
from benchbench.store.files import atomic_write, read_records


@click.command("study")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option("--study", default="study", help="A packaged study or a .toml file (default: study).")
@click.option("--output", type=click.Path(path_type=Path), help="Write the tables as Markdown into this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw what methods add: .svg, .png or .pdf.")
def command(results: Path, study: str, output: Path | None, plot: Path | None) -> None:
    """Answer the contrasts of a study, and what its methods add budget by budget and source by source, from the records
    in RESULTS (default: runs)."""
    if plot and plot.suffix not in (".svg", ".png", ".pdf"):
        raise BenchbenchError(f"--plot {plot}: a name that ends in .svg, .png or .pdf is expected")
    stated = load_study(study)
    if not results.exists():
        raise BenchbenchError(f"no results folder {results}")
    records = warned(read_records(results))
    tables = [tell(stated, records) for tell in (contrasts, answers_by_budget, answers_by_source)]
    click.echo("\n".join(map(terminal, tables)))
    if output:
        atomic_write(output, "\n".join(map(markdown, tables)).encode())
        click.echo(f"wrote {output}", err=True)
    if plot:
        _draw(tables[1], plot)


def _draw(table: Table, path: Path) -> None:
    # Importing matplotlib takes longer than all else.
    from benchbench.leaderboard.plots.figures import pdf, png, styled, svg
    from benchbench.leaderboard.plots.study_lines import study_lines

    with styled():
        if not (figure := study_lines(table)):
            raise BenchbenchError(f"--plot {path}: nothing that methods add is known yet")
        drawn = {".svg": lambda: svg(figure).encode(), ".png": lambda: png(figure), ".pdf": lambda: pdf(figure)}
        atomic_write(path, drawn[path.suffix]())
    click.echo(f"wrote {path}", err=True)
