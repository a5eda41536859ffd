import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchbench.cli.reading import warned
from benchbench.cli.values import Amount, Finite, Whole
from benchbench.errors import BenchbenchError, suggest
from benchbench.execution.hooks import Hooks
from benchbench.leaderboard.aggregate import Columns, Table, tabulated
from benchbench.leaderboard.cells import Cell, by_modality, read_cells
from benchbench.leaderboard.check import check
from benchbench.leaderboard.columns import chosen
from benchbench.leaderboard.render import FORMATS, LARGE, first_rows, places_of, write_leaderboard, write_tables
from benchbench.leaderboard.views import OF_SUMMARIES, VIEWS, Filters, filtered, view
from benchbench.store.files import RecordReader, read_records
from benchbench.store.records import Record


def hook_columns() -> Columns | None:
    """The columns that installed hook plugins add, or None if there are none."""
    hooks = Hooks.installed()
    if not hooks.manager.hook.leaderboard_columns.get_hookimpls():
        return None

    def columns(records: list[Record]) -> dict[str, str]:
        found: dict[str, str] = {}
        for extra in hooks.call("leaderboard_columns", records=records):
            found |= extra or {}
        return found

    return columns


@click.command("leaderboard")
@click.argument("folders", metavar="[RESULTS]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--view", "name", default="overall", show_default=True, help="One of: " + ", ".join(VIEWS) + ".")
@click.option("--target", help="Only this target.")
@click.option("--protocol", help="Only this protocol.")
@click.option("--backbone", help="Only this backbone.")
@click.option("--source", help="Only trainings on this source, and floors.")
@click.option("--shots", type=Whole(1, 1_000), help="Only protocols of so many shots.")
@click.option("--modality", help="Only targets of this modality; a table for each without it.")
@click.option("--seconds", type=Finite(0, 1e12), help="Only methods that train in so many seconds.")
@click.option("--samples", type=Amount(), help="Only methods that train on so many samples, such as 60k.")
@click.option("--flops", type=Amount(), help="Only methods that train in so many FLOPs, such as 2.5T.")
@click.option(
    "--labels",
    type=click.Choice(["none", "weights", "source"]),
    help="Only methods trained without labels, on weights pretrained with some, or with labels.",
)
@click.option(
    "--selection-labels",
    type=click.Choice(["none", "source"]),
    help="Only methods chosen without labels, or with some.",
)
@click.option(
    "--transductive", type=click.Choice(["yes", "no"]), help="Only methods that use other queries, or do not."
)
@click.option(
    "--external",
    type=click.Choice(["apart", "ranked"]),
    default="apart",
    show_default=True,
    help="Whether third parties' rows take part in ranks, best marks, floors and effects.",
)
@click.option("--format", "style", type=click.Choice(list(FORMATS)), default="terminal", show_default=True)
@click.option("--columns", metavar="NAME,...", help="Only these columns, beside the first: names, targets, protocols.")
@click.option("--output", type=click.Path(path_type=Path), help="Write every file of the leaderboard into this folder.")
@click.option("--tables", is_flag=True, help="With --output: LEADERBOARD.md and leaderboard.csv alone.")
@click.option(
    "--check", "checking", is_flag=True, help="Exit with 1 where the tables there (or in --output) differ; not plots."
)
def command(
    folders: tuple[Path, ...],
    name: str,
    style: str,
    columns: str | None,
    output: Path | None,
    external: str,
    tables: bool,
    checking: bool,
    **options: Any,
) -> None:
    """Render the leaderboard of RESULTS (default: runs), or a view of its records; with --check, compare each folder's
    leaderboard with its files."""
    folders = folders or (Path("runs"),)
    filters = Filters(**options)
    if len(folders) > 1 and (output or not checking):
        raise BenchbenchError(f"leaderboard takes one results folder, got {len(folders)}; only --check takes several")
    if (checking or output) and (name != "overall" or filters != Filters()):
        raise BenchbenchError("--check and --output are about the whole leaderboard: neither takes a view or a filter")
    if columns and (checking or output or style in ("csv", "json")):
        raise BenchbenchError("--columns is for terminal, markdown and latex; files, csv and json hold every column")
    if tables and (checking or not output):
        raise BenchbenchError("--tables says which files --output writes: it needs --output, and no --check")
    if checking and external == "ranked":
        raise BenchbenchError("--check compares tables that rank no external row: it takes no --external ranked")
    if checking:
        _check(folders, output)
        return
    if name not in VIEWS:
        raise BenchbenchError(f"unknown view {name!r}{suggest(name, VIEWS)}")
    extra = hook_columns() if name == "overall" else None
    records = warned(_read(folders[0], filters, whole=bool(extra or name not in OF_SUMMARIES), files=bool(output)))
    if not records:
        raise BenchbenchError(f"no records in {folders[0]}: `benchbench run` makes some")
    ranked = external == "ranked"
    found = _tables(name, records, filters, extra, ranked)
    if len(found) > 1 and style in ("csv", "json"):
        raise BenchbenchError(f"ranks are of one modality: choose one with --modality, of {', '.join(found)}")
    for number, (modality, table) in enumerate(found.items()):
        if columns:
            table = chosen(table, [part.strip() for part in columns.split(",") if part.strip()])
        if len(found) > 1:
            table = replace(table, title=f"{table.title}: {modality}")
            click.echo(("\n" if number else "") + (f"{table.title}\n" if style == "terminal" else ""), nl=False)
        click.echo(FORMATS[style](first_rows(table) if output else table).rstrip("\n"))
    for modality, place in places_of(found, output).items() if output else ():
        paths = (
            write_tables(found[modality], place) if tables else write_leaderboard(found[modality], place, folders[0])
        )
        for path in paths:
            click.echo(f"wrote {path}", err=True)


def _tables(
    name: str, records: Sequence[Record | Cell], filters: Filters, extra: Columns | None, ranked: bool
) -> dict[str, Table]:
    """A table for each modality, since none is ranked with another; those without a record that passes the filters are
    left out. Raises BenchbenchError if all are."""
    found: dict[str, Table] = {}
    fault: BenchbenchError | None = None
    parts: dict[str, Any] = by_modality(records) if filters.modality is None else {filters.modality: records}
    for modality, part in parts.items():
        try:
            if name == "overall":
                found[modality] = tabulated(filtered(part, filters), extra, external=ranked)
            else:
                found[modality] = view(name, part, filters, external=ranked)
        except BenchbenchError as error:
            fault = fault or error
    if fault and not found:
        raise fault
    return found


def _read(results: Path, filters: Filters, *, whole: bool, files: bool) -> tuple[Sequence[Record | Cell], list[str]]:
    """What tables need of the records, or if `whole` or for `files` the records. Of more than `LARGE` files do without,
    and only those are read whole that pass the filters."""
    cells, problems = read_cells(results)
    if len(cells) <= LARGE:
        return read_records(results) if whole or files else (cells, problems)
    if not whole:
        return cells, problems
    passed: list[Cell] = []
    for modality, part in by_modality(cells).items():
        with suppress(BenchbenchError):
            passed += filtered(part, filters).everything if filters.modality in (None, modality) else []
    records = RecordReader(results)(passed)
    if lost := len(passed) - len(records):
        problems.append(f"{lost:,} records left out: of so many, only those in files named by their training are read")
    return list(records.values()), problems


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
