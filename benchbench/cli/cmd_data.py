import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tabulate import tabulate

from benchbench.cli.values import Whole, parse_settings
from benchbench.components.limits import MOST
from benchbench.errors import BenchbenchError, DataMissing

if TYPE_CHECKING:
    from benchbench.components.reference import ComponentRef
    from benchbench.data.decode import Report
    from benchbench.data.prepare import Prepared
    from benchbench.data.verify import Verified

setting = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the dataset.")
#: The most duplicates that are listed one by one.
LISTED = 30


@click.group("data")
def command() -> None:
    """List, prepare, check and show datasets."""


@command.command("list")
def list_command() -> None:
    """Say which datasets there are, which are ready, and where their files are expected."""
    from benchbench.components.registry import offers
    from benchbench.data.prepare import data_root

    rows = []
    for offer in offers("dataset"):
        cls: Any = offer.load()
        rows.append(
            (offer.name, _state(offer.qualified), cls.licence, cls.expects or "nothing: it comes with a package")
        )
    click.echo(tabulate(rows, ["name", "state", "licence", "reads"], maxcolwidths=[None, None, 30, 70]))
    root = data_root()
    click.echo(f"\nFiles are read below BENCHBENCH_DATA, which is {root or 'not set'}.")


def _state(name: str) -> str:
    from benchbench.components.reference import resolve_component
    from benchbench.data.prepare import data_root, prepared

    try:
        ref = resolve_component("dataset", name)
    except BenchbenchError:
        return "needs settings"
    try:
        ref.build().sources(data_root())
    except BenchbenchError:
        return "missing"
    return "prepared" if prepared(ref) else "not prepared"


@command.command("prepare")
@click.argument("name")
@setting
@click.option("--download", is_flag=True, help="Fetch the files into BENCHBENCH_DATA where they are not there.")
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="A folder that holds the files; tried first.")
@click.option("--jobs", type=Whole(1, 1_024), help="Decoding processes; one for each core without it.")
def prepare_command(
    name: str, settings: tuple[str, ...], download: bool, mirrors: tuple[str, ...], jobs: int | None
) -> None:
    """Decode the dataset NAME once, into the cache."""
    from benchbench.data.prepare import prepare

    ref = _resolved(name, settings)
    if download:
        _download(ref, name, mirrors)
    with _bar(name) as advance:
        ready = prepare(ref, jobs=jobs or _cores(), report=advance)
    parts = ", ".join(f"{part} {len(ready.split.part(part))}" for part in ("train", "valid", "test"))
    click.echo(f"{name}: {len(ready.table):,} samples of shape {ready.table.shape}, classes: {parts}")
    _remark(ready)


@command.command("verify")
@click.argument("name")
@setting
@click.pass_context
def verify_command(ctx: click.Context, name: str, settings: tuple[str, ...]) -> None:
    """Read the files and samples of the dataset NAME again, and look for duplicates."""
    from benchbench.data.verify import verify

    data = _ready(name, settings)
    found = verify(data)
    for what, names in (("changed", found.changed), ("new", found.added), ("gone", found.gone)):
        for file in names:
            click.echo(f"{what} since it was prepared: {file}")
    if not found.pixels:
        click.echo("its samples are not as they were written: prepare it again")
    _tell_duplicates(name, found)
    _remark(data)
    ctx.exit(0 if found.sound else 1)


def _remark(data: "Prepared") -> None:
    from benchbench.data.prepare import data_root

    for line in data.dataset.remarks(data_root()):
        click.echo(f"  {line}")


def _tell_duplicates(name: str, found: "Verified") -> None:
    held = found.duplicates
    state = "files and samples are as they were prepared" if found.sound else "NOT as it was prepared"
    click.echo(f"{name}: {len(held.table):,} samples; {state}")
    if not held.groups:
        click.echo("no sample comes twice")
        return
    parts = "".join(f", {count} across {a} and {b} classes" for (a, b), count in held.across_parts.items())
    click.echo(
        f"{len(held.groups)} samples come more than once ({held.extra} repeats): {held.across_classes} in several "
        f"classes{parts}"
    )
    for group in held.groups[:LISTED]:
        names = (
            f"{held.table.files[r] or f'sample {r}'} ({held.table.class_names[held.table.labels[r]]})" for r in group
        )
        click.echo(f"  {' = '.join(names)}")
    if len(held.groups) > LISTED:
        click.echo(f"  and {len(held.groups) - LISTED} more")


@command.command("show")
@click.argument("name")
@setting
@click.option(
    "--episode", type=Whole(0, MOST["episodes"] - 1), metavar="N", help="Draw test episode N, not the classes."
)
@click.option("--ways", type=Whole(2, MOST["ways"]), default=5, show_default=True, help="Classes of the episode.")
@click.option("--shots", type=Whole(1, MOST["shots"]), default=1, show_default=True, help="Support samples a class.")
@click.option("--queries", type=Whole(1, MOST["queries"]), default=10, show_default=True, help="Query samples a class.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), default="test", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
def show_command(
    name: str,
    settings: tuple[str, ...],
    episode: int | None,
    ways: int,
    shots: int,
    queries: int,
    part: str,
    output: Path | None,
) -> None:
    """Draw classes of the dataset NAME, or one of its fixed episodes, as a PNG file; those of text as Markdown."""
    from benchbench.data.preview import class_sheet, episode_sheet, suffix

    data = _ready(name, settings)
    what = "classes" if episode is None else f"episode-{episode}"
    path = output or Path(f"{data.name}-{what}{suffix(data)}")
    try:
        if episode is None:
            class_sheet(data, path)
        else:
            from benchbench.episodes.batch import EpisodeShape
            from benchbench.evaluation.target import Target

            target = Target(data, data.sample, part=part)
            drawn = target.drawn(EpisodeShape(ways, shots, queries), episode + 1)[episode]
            about = f"episode {episode}, {ways}-way {shots}-shot, {queries} queries a class"
            episode_sheet(data, part, drawn, about, path)
    except OSError as error:
        raise BenchbenchError(f"--output {path} cannot be written: {error.strerror or error}") from None
    click.echo(f"wrote {path}")


@command.command("export")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@setting
def export_command(name: str, folder: Path, settings: tuple[str, ...]) -> None:
    """Write the dataset NAME in Meta-Dataset's format into the new folder FOLDER, for other tools to read.

    One file of TFRecords per class of its split, with images as PNG, and dataset_spec.json.
    """
    from benchbench.data.meta_dataset.writer import export_records

    try:
        spec = export_records(_ready(name, settings), folder)
    except OSError as error:
        raise BenchbenchError(f"{folder} cannot be written: {error.strerror or error}") from None
    parts = ", ".join(f"{part} {count}" for part, count in spec.parts.items())
    click.echo(f"wrote {sum(spec.images):,} images to {folder}; classes: {parts}")


def _resolved(name: str, settings: tuple[str, ...]) -> "ComponentRef":
    from benchbench.components.reference import resolve_component

    return resolve_component("dataset", name, parse_settings(settings))


def _ready(name: str, settings: tuple[str, ...]) -> "Prepared":
    from benchbench.data.prepare import prepare

    with _bar(name) as advance:
        return prepare(_resolved(name, settings), report=advance)


def _download(ref: "ComponentRef", name: str, mirrors: tuple[str, ...]) -> None:
    from benchbench.data.downloads import fetch
    from benchbench.data.prepare import data_root

    root, dataset = data_root(), ref.build()
    if root is None:
        raise BenchbenchError("set BENCHBENCH_DATA to a folder to download into")
    try:
        dataset.sources(root)
    except DataMissing as missing:
        if not dataset.archives:
            raise BenchbenchError(f"dataset {name} cannot be downloaded: {missing}") from None
        with _bar(name) as advance:
            fetch(dataset.archives, root, mirrors=mirrors, report=lambda file, done, total: advance(done, total))


@contextmanager
def _bar(name: str) -> Iterator["Report"]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
