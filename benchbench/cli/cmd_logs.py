from pathlib import Path

import click

from benchbench.errors import BenchbenchError, suggest


@click.command("logs")
@click.argument("key")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The store (default: runs).")
def command(key: str, results: Path) -> None:
    """Print what a training printed, and why it failed.

    KEY is the beginning of the key of the training or of one of its cells, or a part of its label that no other has.
    """
    from benchbench.store.briefs import read_briefs
    from benchbench.store.files import Store
    from benchbench.store.plans import read_plans

    plans, problems = read_plans(results)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    trainings = {t.key: t for plan in plans for t in plan.trainings}
    found = [t for t in trainings.values() if any(k.startswith(key) for k in [t.key, *(c.key for c in t.cells)])]
    found = found or [t for t in trainings.values() if key in t.label]
    if not found:
        names = suggest(key, [t.label for t in trainings.values()])
        raise BenchbenchError(f"no training {key!r} in {results}{names}")
    if len(found) > 1:
        some = "".join(f"\n  {t.key[:12]}  {t.label}" for t in found[:10])
        raise BenchbenchError(f"{key!r} fits {len(found)} trainings, give one of their keys:{some}")
    training = found[0]
    path = Store(results).log(training.key)
    if path.exists():
        click.echo(path.read_bytes(), nl=False)
    state = " does not exist: it never ran here"
    if path.exists():
        state = "" if path.stat().st_size else " is empty: the training printed nothing"
    click.echo(f"{training.label}: {path}{state}", err=True)
    reasons = {r.reason for r in read_briefs(results)[0] if r.training_key == training.key and r.status == "failed"}
    for reason in sorted(filter(None, reasons)):
        click.echo(f"failed: {reason}", err=True)
