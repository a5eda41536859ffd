from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from benchbench.cli.values import Whole, parse_device, parse_only, parse_settings


@click.command("tune")
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--matrix", default="quick", help="A packaged matrix or a .toml file.")
@click.option("--only", multiple=True, metavar="AXIS=NAME", help="Keep only these names of an axis: one method.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of the matrix.")
@click.option("--trials", default=20, type=Whole(1, 100_000), help="Trials in all (default: 20).")
@click.option(
    "--criterion",
    type=click.Choice(["labelled-valid", "pretext-valid"]),
    default="labelled-valid",
    help="What a trial is judged by, on the source's validation classes (default: labelled-valid).",
)
@click.option("--sampler", type=click.Choice(["tpe", "random"]), default="tpe", help="Who proposes (default: tpe).")
@click.option("--seed", default=0, type=Whole(), help="The sampler's (default: 0).")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="Where trials are kept.")
@click.option("--output", default="tuned.toml", type=click.Path(dir_okay=False, path_type=Path), help="The result.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
def command(
    space: Path,
    matrix: str,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    trials: int,
    criterion: Literal["labelled-valid", "pretext-valid"],
    sampler: Literal["tpe", "random"],
    seed: int,
    results: Path,
    output: Path,
    device: str,
) -> None:
    """Search settings of one method by validation, in the ranges of SPACE, a TOML file.

    Writes a fragment of a matrix: the settings, and a declaration of the search, which is kept in every record that
    uses them. Repeating a search continues where it stopped, also with more trials.
    """
    from benchbench.planning.matrix import load_matrix
    from benchbench.store.files import Store, atomic_write
    from benchbench.tuning.fragment import fragment
    from benchbench.tuning.search import Search, search
    from benchbench.tuning.space import load_space

    device = parse_device(device)
    content = load_matrix(matrix, parse_settings(settings))
    what = Search(content, load_space(space), criterion, sampler, seed, parse_only(only))

    def say(number: int, chosen: Mapping[tuple[str, str, str], Any], score: float | str) -> None:
        values = ", ".join(f"{setting} {value}" for (_, _, setting), value in chosen.items())
        outcome = f"failed: {score}" if isinstance(score, str) else f"{score:.4f}"
        click.echo(f"trial {number} of {trials}: {values}: {outcome}", err=True)

    found, declared = search(
        what,
        Store(results / "tuning").open(),
        trials=trials,
        device=device,
        report=say,
    )
    text = fragment(found, declared)
    atomic_write(output, text.encode())
    click.echo(text, nl=False)
    click.echo(f"wrote {output}: put it into the matrix", err=True)
