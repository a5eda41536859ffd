import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbench.cli.values import Finite, Whole, parse_device, parse_only, parse_seeds, parse_settings, parse_shard
from benchbench.errors import BenchbenchError

if TYPE_CHECKING:
    from benchbench.planning.plan import Plan
    from benchbench.store.files import Store
    from benchbench.store.records import Record
    from benchbench.training.chain import Training

#: A run makes no leaderboard for more cells than this: whole records take 30 kB of memory each.
LARGE = 5_000
#: The matrix that is run if none is named.
QUICK = "quick"


@click.command("run")
@click.option("--matrix", is_flag=False, flag_value=QUICK, help="A packaged matrix or a .toml file (default: quick).")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The store (default: runs).")
@click.option("--only", multiple=True, metavar="AXIS=NAME", help="Keep only these names of an axis.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of the matrix.")
@click.option("--seeds", help="Training seeds, such as 0,1,2.")
@click.option("--jobs", type=Whole(1, 10_000), help="Trainings at a time (default: cores).")
@click.option("--executor", default="local", help="How trainings run: local, inline, ray or a plugin's.")
@click.option("--executor-option", "options", multiple=True, metavar="KEY=VALUE", help="A setting of the executor.")
@click.option("--ray-address", help="With --executor ray: the cluster to join.")
@click.option("--timeout", type=Finite(0, 1e9, min_open=True), metavar="SECONDS", help="Kill longer trainings.")
@click.option("--memory", type=Finite(0, 1e6, min_open=True), metavar="GIB", help="Kill larger trainings.")
@click.option("--shard", metavar="I/N", help="Run the I-th of N parts of the matrix, for job arrays.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
@click.option("--retry-failed", is_flag=True, help="Train failed ones again.")
@click.option("--rerun-changed", is_flag=True, help="Train again what other code of the same revisions trained.")
@click.option("--strict", is_flag=True, help="Run nothing if anything of the matrix must be left out.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and run nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    matrix: str | None,
    results: Path,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    seeds: str | None,
    jobs: int | None,
    executor: str,
    options: tuple[str, ...],
    ray_address: str | None,
    timeout: float | None,
    memory: float | None,
    shard: str | None,
    device: str,
    retry_failed: bool,
    rerun_changed: bool,
    strict: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Train and score everything in a matrix that the store does not hold yet, then print its leaderboard."""
    from benchbench.cli.reporter import Reporter
    from benchbench.components.reference import bare
    from benchbench.execution.run import default_jobs, make_executor, missing_cells, run_plan, sharded
    from benchbench.planning.matrix import load_matrix
    from benchbench.planning.plan import plan
    from benchbench.store.files import Store

    if matrix is None:
        matrix = QUICK
        if not quiet:
            click.echo("no --matrix is given: this is quick, minutes of training on data that come along", err=True)
    overrides = parse_settings(settings)
    named = {"address": ray_address, "timeout": timeout, "memory": memory}
    executor_settings = parse_settings(options, "--executor-option") | {k: v for k, v in named.items() if v is not None}
    make_executor(executor, jobs, executor_settings)  # bad ones are refused before data are prepared
    if seeds is not None:
        overrides["seeds"] = parse_seeds(seeds)
    part = None if shard is None else parse_shard(shard)
    device, kept = parse_device(device), parse_only(only)
    content = load_matrix(matrix, overrides)
    if not dry_run:
        Store(results).open()
    todo = plan(content, only=kept, prepare_data=not dry_run)
    for label, reason in todo.broken:
        click.echo(f"warning: {label} is left out: {reason}", err=True)
    for name, reason in todo.missing:
        click.echo(f"data missing, left out: {name}: {reason}", err=True)
    left_out = [*todo.broken, *todo.missing, *todo.dropped]
    if strict and left_out:
        label, reason = left_out[0]
        raise BenchbenchError(
            f"--strict: {len(left_out)} parts of the matrix are left out, the first: {label}: {reason}"
        )
    trainings = sharded(todo.trainings, part)
    if dry_run:
        _describe(todo, trainings, Store(results), retry_failed)
        _estimate(trainings, Store(results), retry_failed, jobs or default_jobs(device))
        return
    _remark(trainings)
    if todo.dropped and not quiet:
        click.echo(f"{len(todo.dropped)} parts of the matrix are left out (--dry-run names them)", err=True)
    missing = sum(bool(missing_cells(t, Store(results), retry_failed)) for t in trainings)
    with Reporter(missing, quiet=quiet) as report:
        outcome = run_plan(
            todo,
            results,
            jobs=jobs,
            executor=executor,
            executor_settings=executor_settings,
            shard=part,
            device=device,
            retry_failed=retry_failed,
            rerun_changed=rerun_changed,
            report=report,
        )
    for label, changed in outcome.changed:
        names = ", ".join(map(bare, changed))
        click.echo(f"reused across code change ({names}): {label}; --rerun-changed trains it again", err=True)
    cells = sum(len(t.cells) for t in trainings)
    written = _leaderboard(outcome.records, results) if cells <= LARGE else []
    click.echo(f"trained {outcome.trained}, reused {outcome.reused}, failed {len(outcome.failed)}")
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"records are under {results / 'records'}")
    if cells > LARGE:
        click.echo(f"`benchbench leaderboard {results} --output {results}` makes the leaderboard of {cells:,} cells")
    if outcome.failed or outcome.failures:
        _say_failures(outcome.failures, outcome.failed)
        sys.exit(1)


def _remark(trainings: "list[Training]") -> None:
    """Say what the datasets passed over, which no score shows."""
    from benchbench.data.prepare import data_root

    used = {str(ref): ref for t in trainings for ref in (t.source, *(cell.target for cell in t.cells))}
    for ref in used.values():
        for line in ref.build().remarks(data_root()):
            click.echo(f"dataset {ref.bare}: {line}", err=True)


def _leaderboard(records: "list[Record]", results: Path) -> list[Path]:
    """Print the leaderboard of `records` and write it into `results`; returns its files."""
    # Imported only after the run: these libraries take 70 MB, which the run of a large matrix is better off without.
    from benchbench.cli.cmd_leaderboard import hook_columns
    from benchbench.leaderboard.aggregate import aggregate
    from benchbench.leaderboard.cells import by_modality
    from benchbench.leaderboard.render import places_of, terminal, write_leaderboard

    columns = hook_columns()
    click.echo(terminal(aggregate(records, columns)) + "\n")
    parts = by_modality(records)
    places = places_of(parts, results)
    return [path for name, part in parts.items() for path in write_leaderboard(aggregate(part, columns), places[name])]


def _say_failures(keys: list[str], now: list[tuple[str, str]]) -> None:
    """Print what failed, now and in earlier runs, and what to do about it."""
    for label, reason in now:
        click.echo(f"failed: {label}: {reason}", err=True)
    if (earlier := len(keys) - len(now)) > 0:
        click.echo(f"{earlier} more failed in earlier runs", err=True)
    if keys:
        click.echo(f"`benchbench logs {keys[0][:12]}` shows what the first of them printed", err=True)
    click.echo("some trainings failed; --retry-failed trains them again", err=True)


def _describe(todo: "Plan", trainings: "list[Training]", store: "Store", retry_failed: bool) -> None:
    from benchbench.execution.run import missing_cells

    cells = 0
    for training in trainings:
        left = missing_cells(training, store, retry_failed)
        cells += len(training.cells)
        targets = ", ".join(c.label for c in training.cells)
        state = "done" if not left else f"{len(left)} to do"
        click.echo(f"{state:>8}  {training.label}: {targets}")
    for label, reason in todo.dropped:
        click.echo(f"    left out  {label}: {reason}")
    for name in todo.unprepared:
        click.echo(f"not prepared  dataset {name}: whether it has enough classes and images shows when it is")
    click.echo(f"{len(trainings)} trainings, {cells} cells, {len(todo.dropped)} left out")


def _estimate(trainings: "list[Training]", store: "Store", retry_failed: bool, jobs: int) -> None:
    """Say how long what is left will take, by what trainings of the same method and source took in this store."""
    from benchbench.cli.cmd_status import duration
    from benchbench.execution.run import missing_cells
    from benchbench.execution.schedule import costs
    from benchbench.store.briefs import each_brief

    left = [(t, len(missing_cells(t, store, retry_failed)) / len(t.cells)) for t in trainings]
    todo = [(t, part) for t, part in left if part]
    if not todo:
        return
    known = costs(each_brief(store.root)) if store.root.is_dir() else {}
    kinds = [((t.method, t.source_name), part) for t, part in todo]
    paid = [known[kind] * part for kind, part in kinds if kind in known]
    if not paid:
        click.echo("how long it takes is not known: no training of these methods and sources is recorded here")
        return
    others = len(todo) - len(paid)
    more = f", and {others} trainings of unknown length" if others else ""
    # One training takes what it takes, however many run at a time.
    seconds = max(sum(paid) / min(jobs, len(paid)), *paid)
    click.echo(f"about {duration(seconds)}{more}, {jobs} at a time, by what such trainings took here at their budgets")
