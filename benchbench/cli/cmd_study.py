from dataclasses import replace
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

SUFFIXES = (".svg", ".png", ".pdf")


@click.command("study")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option(
    "--study",
    "names",
    multiple=True,
    default=["study"],
    help="A packaged study or a .toml file; several with an option each.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the tables as Markdown into this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw what methods add: .svg, .png or .pdf.")
@click.option("--plot-sources", type=click.Path(path_type=Path), help="The same for each source.")
def command(
    results: Path, names: tuple[str, ...], output: Path | None, plot: Path | None, plot_sources: Path | None
) -> None:
    """Answer the contrasts of studies, and what their methods add budget by budget and source by source, from the
    records in RESULTS (default: runs)."""
    for option, path in (("--plot", plot), ("--plot-sources", plot_sources)):
        if path and path.suffix not in SUFFIXES:
            raise BenchbenchError(f"{option} {path}: a name that ends in .svg, .png or .pdf is expected")
    if plot and len(names) > 1:
        raise BenchbenchError("--plot draws one study; --plot-sources draws several")
    studies = {name: load_study(name) for name in names}
    if not results.exists():
        raise BenchbenchError(f"no results folder {results}")
    records = warned(read_records(results))
    tables = []
    for name, stated in studies.items():
        each = [contrasts(stated, records), answers_by_budget(stated, records)]
        tables += [replace(t, title=f"{t.title}: {name}") for t in each] if len(studies) > 1 else each
    tables.append(answers_by_source(studies.values(), records))
    click.echo("\n".join(map(terminal, tables)))
    if output:
        atomic_write(output, "\n".join(map(markdown, tables)).encode())
        click.echo(f"wrote {output}", err=True)
    for option, path, table in (("--plot", plot, tables[1]), ("--plot-sources", plot_sources, tables[-1])):
        if path:
            _draw(option, path, table)


def _draw(option: str, path: Path, table: Table) -> None:
    # Importing matplotlib takes longer than all else.
    from benchbench.leaderboard.plots.figures import pdf, png, styled, svg
    from benchbench.leaderboard.plots.study_lines import source_lines, study_lines

    draw = study_lines if option == "--plot" else source_lines
    with styled():
        if not (figure := draw(table)):
            raise BenchbenchError(f"{option} {path}: nothing that methods add is known yet")
        drawn = {".svg": lambda: svg(figure).encode(), ".png": lambda: png(figure), ".pdf": lambda: pdf(figure)}
        atomic_write(path, drawn[path.suffix]())
    click.echo(f"wrote {path}", err=True)
