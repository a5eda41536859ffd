import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from benchbench.cli.values import Finite
from benchbench.errors import BenchbenchError
from benchbench.leaderboard.render import escaped
from benchbench.results.compare import Comparison, Comparisons, compare_methods, compare_results
from benchbench.results.git import load
from benchbench.store.records import Record

HEADERS = ["", "target", "protocol", "A", "B", "B - A", "95% interval", "p (Holm)", "B is"]


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option("--results", help="Compare two methods of this folder (or REV:path) instead, such as rotation/protonet.")
@click.option("--format", "style", type=click.Choice(["terminal", "markdown", "json"]), default="terminal")
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 where B is significantly worse.")
@click.option(
    "--margin",
    type=Finite(0, 100),
    default=0.0,
    metavar="POINTS",
    help="Percentage points that B may be worse by all the same (default: 0).",
)
def command(a: str, b: str, results: str | None, style: str, fail_on_regression: bool, margin: float) -> None:
    """Compare B with A by paired tests on the test episodes that they share.

    A and B are results folders, or REV:path for a folder as it was in a git revision; with --results, two methods.
    """
    if margin and not fail_on_regression:
        raise BenchbenchError("--margin: says what --fail-on-regression lets pass, and that was not given")
    found = compare_methods(load(results), a, b) if results else compare_results(_folder(a), _folder(b))
    worse = [row for row in found.rows if row.regressed(margin)]
    click.echo(_json(a, b, found, margin) if style == "json" else _table(a, b, found, style))
    for message in found.refused:
        click.echo(f"not compared: {message}", err=True)
    for message in found.lost:
        click.echo(f"lost in B: {message}", err=True)
    if fail_on_regression:
        for row in worse:
            click.echo(f"regression: {_name(row)}: {row.difference.mean:+.2f} points", err=True)
        # What cannot be compared has not been shown to hold.
        if worse or found.lost or found.refused:
            sys.exit(1)


def _folder(source: str) -> list[Record]:
    try:
        return load(source)
    except BenchbenchError as error:
        if ":" in source or Path(source).exists():
            raise
        raise BenchbenchError(f"{error}; two methods are compared with --results FOLDER") from error


def _name(row: Comparison) -> str:
    return f"{row.what} on {row.target} {row.protocol}"


def _table(a: str, b: str, found: Comparisons, style: str) -> str:
    text: Callable[[str], str] = escaped if style == "markdown" else str
    rows = [
        [
            text(row.what),
            text(row.target),
            text(row.protocol),
            f"{row.a:.2f}",
            f"{row.b:.2f}",
            f"{row.difference.mean:+.2f}",
            f"{row.difference.low:+.2f} to {row.difference.high:+.2f}",
            f"{row.difference.p_holm:.2g}",
            row.verdict,
        ]
        for row in found.rows
    ]
    body = tabulate(rows, HEADERS, tablefmt="github" if style == "markdown" else "simple", disable_numparse=True)
    notes = [f"A: {text(a)}; B: {text(b)}. Scores in percent, differences in percentage points on the same episodes."]
    if found.sides:
        one, other = found.sides
        notes += [
            f"transductive: A {one.kind}; B {other.kind}.",
            f"cost of a training: A {one.cost}; B {other.cost}.",
            text(f"floors (by means): A {one.place}; B {other.place}."),
        ]
    if found.rows:
        notes.append(f"95% interval: of the difference, over {found.covers}.")
    if any(row.difference.over == "episodes" for row in found.rows):
        notes.append("With one training seed on a side a row speaks of these trainings, not of the methods.")
    if any(found.alone):
        notes.append(f"Only A has {found.alone[0]} cells, only B {found.alone[1]}.")
    bullet = "- " if style == "markdown" else ""
    return body + "\n\n" + "\n".join(bullet + note for note in notes)


def _json(a: str, b: str, found: Comparisons, margin: float) -> str:
    rows: list[dict[str, Any]] = [
        {**asdict(row), "verdict": row.verdict, "regressed": row.regressed(margin)} for row in found.rows
    ]
    only_a, only_b = found.alone
    content = {"a": a, "b": b, "rows": rows, "refused": found.refused, "lost": found.lost}
    content |= {"sides": [asdict(side) for side in found.sides or ()], "interval": f"over {found.covers}"}
    return json.dumps({**content, "only_a": only_a, "only_b": only_b, "margin": margin}, indent=1, ensure_ascii=False)
