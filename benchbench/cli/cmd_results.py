import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError
from tabulate import tabulate

from benchbench.cli.reading import warned
from benchbench.cli.values import Finite, Whole, parse_settings
from benchbench.errors import BenchbenchError
from benchbench.store.files import read_records
from benchbench.store.records import Method, Provenance, Record, shown

RESULTS = click.argument("results", default="runs", type=click.Path(path_type=Path))


@click.group("results")
def command() -> None:
    """Submit, merge, export, prune and audit records."""


def _read(results: Path) -> list[Record]:
    records = warned(read_records(results))
    if not records:
        raise BenchbenchError(f"no records in {results}")
    return records


@command.command("list")
@RESULTS
def list_command(results: Path) -> None:
    """List the records of RESULTS (default: runs)."""
    from benchbench.leaderboard.grid import grid

    records = _read(results)
    found = grid(records)
    cells = {c.key: c for c in found.everything}
    variants = {c.key: row.variant for row, members in found.members.items() for c in members}
    differ = ["variant"] if any(variants.values()) else []
    rows: list[list[object]] = [
        [
            *(r.key[:12], c.pretext, c.meta, c.backbone, c.regime, *(variants.get(r.key, "") for _ in differ)),
            *(c.source, c.target, found.column(c).removeprefix(f"{c.target} "), r.seed),
            *(_mean(r), "" if r.origin == "own" else r.origin),
        ]
        for r in records
        for c in [cells[r.key]]
    ]
    method = [field.name for field in fields(Method)]
    headers = ["key", *method, *differ, "source", "target", "protocol", "seed", "score", ""]
    click.echo(tabulate(rows, headers, disable_numparse=True))


def _mean(record: Record) -> str:
    if record.status != "ok" or not record.summary:
        return record.status
    summary = record.summary[shown(record.summary)]
    return f"{100 * summary.mean:.2f} ± {100 * summary.ci95:.2f}"


@command.command("show")
@click.argument("key")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The folder (default: runs).")
def show_command(key: str, results: Path) -> None:
    """Print the record whose key begins with KEY, as JSON."""
    records = _read(results)
    found = [r for r in records if r.key.startswith(key)]
    if not found:
        raise BenchbenchError(f"no record {key!r} in {results}: `benchbench results list {results}` names them")
    if len(found) > 1:
        raise BenchbenchError(f"{key!r} begins {len(found)} keys: {', '.join(r.key[:12] for r in found)}")
    click.echo(found[0].model_dump_json(indent=1))


@command.command("add")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--results", required=True, type=click.Path(path_type=Path), help="The folder to add to.")
@click.option("--who", help="Who submits the records that do not say so themselves.")
@click.option("--contact", help="How to reach them: an address or a page.")
def add_command(paths: tuple[Path, ...], results: Path, who: str | None, contact: str | None) -> None:
    """Check third-party record files, and add them to a results folder, marked external.

    PATHS are .jsonl files, or folders of them. Keys are recomputed from the settings, and test episodes if the data are
    at hand. If any record is refused, nothing is added.
    """
    from benchbench.results.submissions import submit

    found = submit(paths, results, _provenance(who, contact))
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    for reason in found.refused:
        click.echo(f"refused: {reason}", err=True)
    if found.refused:
        click.echo(f"nothing was added to {results}", err=True)
        sys.exit(1)
    click.echo(f"added {len(found.accepted)} records to {results}")


def _provenance(who: str | None, contact: str | None) -> Provenance | None:
    if who is None and contact is None:
        return None
    if who is None or contact is None:
        raise BenchbenchError("results add: --who and --contact belong together")
    try:
        return Provenance(who=who, contact=contact, when=datetime.now(UTC).date().isoformat())
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchbenchError(f"--{first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


@command.command("merge")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The folder to write.")
def merge_command(folders: tuple[Path, ...], into: Path) -> None:
    """Merge the records of several results folders into one. If two contradict each other, nothing is written."""
    from benchbench.results.merge import merge

    held, conflicts = merge(folders, into)
    for conflict in conflicts:
        click.echo(f"conflict: {conflict}", err=True)
    if conflicts:
        click.echo(f"nothing was written to {into}", err=True)
        sys.exit(1)
    click.echo(f"{into} holds {held} records")


@command.command("export")
@RESULTS
@click.option("--parquet", type=click.Path(path_type=Path), help="Write Parquet, every score in it.")
@click.option("--csv", type=click.Path(path_type=Path), help="Write CSV, without the single scores.")
def export_command(results: Path, parquet: Path | None, csv: Path | None) -> None:
    """Write the records of RESULTS as one flat table, one row per record and metric."""
    from benchbench.results.frame import write_csv, write_parquet

    if not (parquet or csv):
        raise BenchbenchError("results export: expected --parquet FILE or --csv FILE")
    records = _read(results)
    for path, write in ((parquet, write_parquet), (csv, write_csv)):
        if path:
            write(records, path)
            click.echo(f"wrote {path}")


@command.command("prune")
@RESULTS
@click.option("--installed", is_flag=True, help="Also drop those of other revisions than the installed components'.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and drop nothing.")
def prune_command(results: Path, installed: bool, dry_run: bool) -> None:
    """Drop the records of RESULTS that failed, or that a newer revision of their components replaces."""
    from benchbench.results.merge import label
    from benchbench.results.prune import prune

    dropped = prune(results, installed=installed, dry_run=dry_run)
    for record, reason in dropped.values():
        click.echo(f"{label(record)}: {reason}")
    click.echo(f"{'would drop' if dry_run else 'dropped'} {len(dropped)} records")


@command.command("audit")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--sample", "count", type=Whole(1, 1_000_000), help="How many records, chosen at random.")
@click.option("--since", metavar="REV", help="Instead: all that are not in this git revision.")
@click.option("--mark", is_flag=True, help="Mark external records that come out again as verified.")
@click.option("--seed", type=Whole(), default=0, help="Chooses which (default: 0).")
@click.option(
    "--tolerance",
    type=Finite(0, 100),
    metavar="POINTS",
    help="Percentage points that means may differ by; default: 0 on the same torch, machine and device, else 2.",
)
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="DATASET.SETTING=PATH",
    help="Where data are here, which records do not hold: imagefolder.path=birds.",
)
def audit_command(
    folders: tuple[Path, ...],
    count: int | None,
    since: str | None,
    mark: bool,
    seed: int,
    tolerance: float | None,
    paths: tuple[str, ...],
) -> None:
    """Retrain records of results folders from scratch, and compare their scores: a random sample, or what was added
    since a git revision.

    Records whose plugins or data are not here are skipped and named.
    """
    from benchbench.results.audit import Verdict, added, audit, verify
    from benchbench.results.merge import label, whole_records

    located = {name: str(value) for name, value in parse_settings(paths, "--path").items()}
    if (count is None) == (since is None):
        raise BenchbenchError("results audit: expected --sample COUNT or --since REV")
    found = [(f, r) for f in folders for r in whole_records(f)] if since is None else added(folders, since)
    records = {r.key: r for _, r in found}
    if since is not None and not records:
        click.echo(f"no scored record was added since {since}")
        return

    def report(verdict: Verdict) -> None:
        click.echo(f"{verdict.state:>11}  {label(verdict.record)}: {verdict.detail}")

    asked = count or len(records)
    verdicts = audit(records.values(), asked, seed=seed, tolerance=tolerance, paths=located, report=report)
    done = [v for v in verdicts if v.state != "unavailable"]
    wrong = sum(v.state == "different" for v in done)
    click.echo(f"repeated {len(done)} of {len(records)} records, {wrong} differ")
    for folder in folders if mark else ():
        keys = {r.key for place, r in found if place == folder}
        click.echo(f"{folder}: {verify(folder, [v for v in done if v.record.key in keys])} records are verified now")
    if not done:
        click.echo("no record could be repeated here", err=True)
    if wrong or not done:
        sys.exit(1)
