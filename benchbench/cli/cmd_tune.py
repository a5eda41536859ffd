from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from benchbench.cli.values import Whole, parse_device, parse_only, parse_settings
from benchbench.errors import BenchbenchError


@click.command("tune")
@click.argument("space")
@click.option("--matrix", default="quick", help="A packaged matrix or a .toml file.")
@click.option("--only", multiple=True, metavar="AXIS=NAME", help="Keep only these names of an axis.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of the matrix.")
@click.option("--trials", default=20, type=Whole(1, 100_000), help="Trials of each method, in all (default: 20).")
@click.option(
    "--criterion",
    type=click.Choice(["labelled-valid", "pretext-valid"]),
    default="labelled-valid",
    help="What a trial is judged by, on the source's validation classes (default: labelled-valid).",
)
@click.option("--sampler", type=click.Choice(["tpe", "random"]), default="tpe", help="Who proposes (default: tpe).")
@click.option("--seed", default=0, type=Whole(), help="The sampler's (default: 0).")
@click.option("--repeats", default=1, type=Whole(1, 1_000), help="Trainings of a trial, by seed (default: 1).")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="Where trials are kept.")
@click.option("--output", default="tuned.toml", type=click.Path(dir_okay=False, path_type=Path), help="The result.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
def command(
    space: str,
    matrix: str,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    trials: int,
    criterion: Literal["labelled-valid", "pretext-valid"],
    sampler: Literal["tpe", "random"],
    seed: int,
    repeats: int,
    results: Path,
    output: Path,
    device: str,
) -> None:
    """Search settings of each method of a matrix by validation, in the ranges of SPACE, a .toml file or a packaged one.

    Writes a fragment to put at the end of a matrix: for each method the settings, and a declaration of the search,
    which is kept in every record that uses them. Trials train with seeds of their own, never those of the matrix.
    Repeating a search continues where it stopped, also with more trials, and writes the fragment anew, after each
    method.
    """
    from benchbench.planning.matrix import load_matrix
    from benchbench.store.files import Store, atomic_write
    from benchbench.tuning.fragment import fragment
    from benchbench.tuning.search import Search, TrialsFailed, search
    from benchbench.tuning.space import load_space

    device = parse_device(device)
    content = load_matrix(matrix, parse_settings(settings))
    whole = Search(content, load_space(space), criterion, sampler, seed, repeats, parse_only(only))

    def say(number: int, chosen: Mapping[tuple[str, ...], Any], score: float | str) -> None:
        values = ", ".join(f"{setting} {value}" for (*_, setting), value in chosen.items())
        outcome = f"failed: {score}" if isinstance(score, str) else f"{score:.4f}"
        click.echo(f"trial {number} of {trials}: {values}: {outcome}", err=True)

    methods, store = whole.methods(), Store(results / "tuning").open()
    fragments, failed = [], []
    for number, what in enumerate(methods, start=1):
        if len(methods) > 1:
            outcome = "" if what.space else ": the space concerns none of its settings"
            click.echo(f"method {number} of {len(methods)}, {what.label}{outcome}", err=True)
        if not what.space:
            continue
        try:
            fragments.append(fragment(*search(what, store, trials=trials, device=device, report=say)))
        except TrialsFailed as error:
            failed.append(str(error))
            continue
        # At once: what a search of hours has found is not lost with the next one.
        atomic_write(output, "\n".join(fragments).encode())
    if fragments:
        click.echo("\n".join(fragments), nl=False)
        click.echo(f"wrote {output}: put it at the end of the matrix", err=True)
    if failed:
        raise BenchbenchError("; ".join(failed))
