from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tabulate import tabulate

from benchbench.errors import BenchbenchError, suggest

if TYPE_CHECKING:
    from benchbench.store.plans import PlanFile

#: The axes that `--by` can count cells by.
AXES = ("pretext", "meta", "backbone", "regime", "source", "seed", "target", "protocol")


@click.command("status")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option("--by", metavar="AXIS", help=f"Count the cells of each value of an axis: {', '.join(AXES)}.")
def command(results: Path, by: str | None) -> None:
    """For each matrix that was run into RESULTS (default: runs), say how many cells are done, failed and waiting, how
    long the rest will take, and what is running now."""
    from benchbench.execution.progress import progress_files
    from benchbench.store.briefs import read_briefs, seconds_of
    from benchbench.store.plans import read_plans

    if by is not None and by not in AXES:
        raise BenchbenchError(f"--by {by}: unknown axis{suggest(by, AXES)}")
    plans, problems = read_plans(results)
    briefs, unreadable = read_briefs(results)
    for problem in problems + unreadable:
        click.echo(f"warning: {problem}", err=True)
    running = list(progress_files(results))
    keys = {p["key"] for p in running}
    state = {r.key: r.status for r in briefs}
    headers = ["matrix", *([by] if by else ["trainings"]), "cells", "done", "failed", "running", "waiting"]
    rows = [row for plan in plans for row in (_by_axis(plan, state, keys, by) if by else [_total(plan, state, keys)])]
    click.echo(tabulate(rows, headers, disable_numparse=True))
    for about in running:
        click.echo(f"running: {_line(about)}")
    if running and (left := _seconds_left(plans, state, seconds_of(briefs), running)):
        click.echo(f"about {duration(left)} left, with {len(running)} at a time")


def _counts(cells: list[str], state: dict[str, str], running: int) -> list[int]:
    found = Counter(map(state.get, cells))
    done, failed = found["ok"], found["failed"]
    return [len(cells), done, failed, running, len(cells) - done - failed - running]


def _total(plan: "PlanFile", state: dict[str, str], keys: set[str]) -> list[Any]:
    cells = list(dict.fromkeys(c.key for t in plan.trainings for c in t.cells))
    running = {c.key for t in plan.trainings if t.key[:16] in keys for c in t.cells if c.key not in state}
    return [plan.matrix, len(plan.trainings), *_counts(cells, state, len(running))]


def _by_axis(plan: "PlanFile", state: dict[str, str], keys: set[str], axis: str) -> list[list[Any]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    running: dict[str, int] = defaultdict(int)
    for t in plan.trainings:
        of_training = {"source": t.source, "seed": t.seed, **asdict(t.method)}
        for c in t.cells:
            value = str(of_training.get(axis) if axis in of_training else getattr(c, axis))
            grouped[value].append(c.key)
            running[value] += t.key[:16] in keys and c.key not in state
    return [[plan.matrix, value, *_counts(grouped[value], state, running[value])] for value in sorted(grouped)]


def _line(p: dict[str, Any]) -> str:
    """How far a training has got, in one line."""
    where = (
        f"step {p['step']}/{p['steps']}"
        if {"step", "steps"} <= p.keys()
        else f"scoring {p['scoring']}"
        if "scoring" in p
        else "starts"
    )
    parts = [f"{p.get('label')}: {where}"]
    parts += [f"{name} {p[name]:.3g}" for name in ("loss", "accuracy") if isinstance(p.get(name), (int, float))]
    if isinstance(p.get("seconds_left"), (int, float)):
        parts.append(f"{p['seconds_left']:.0f} s left")
    return ", ".join(parts)


def _seconds_left(
    plans: "list[PlanFile]", state: dict[str, str], spent: dict[str, float], running: list[dict[str, Any]]
) -> float:
    """Estimated from trainings of the same method and source, else from the average of all; 0 if none is known."""
    if not spent:
        return 0.0
    kinds: dict[Any, list[float]] = defaultdict(list)
    trainings = {t.key: t for plan in plans for t in plan.trainings}
    for key, t in trainings.items():
        if key in spent:
            kinds[t.method, t.source].append(spent[key])
    average = sum(spent.values()) / len(spent)
    now = {p["key"]: p.get("seconds_left") for p in running}
    left = 0.0
    for key, t in trainings.items():
        missing = sum(c.key not in state for c in t.cells)
        if not missing:
            continue
        known = kinds.get((t.method, t.source))
        expected = (sum(known) / len(known) if known else average) * missing / len(t.cells)
        seconds = now.get(key[:16])
        left += expected if seconds is None else min(expected, float(seconds))
    return left / len(running)


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``12 minutes``."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
