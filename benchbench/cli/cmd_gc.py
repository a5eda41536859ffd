from pathlib import Path

import click


@click.command("gc")
@click.argument("results", default="runs", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
def command(results: Path, dry_run: bool) -> None:
    """Remove the checkpoints of RESULTS (default: runs) that no plan or record needs, features of pretrained encoders,
    which are made again where they are missed, and files that a killed run left half written. What another run is
    working on stays."""
    from benchbench.store.plans import read_plans
    from benchbench.store.unneeded import collect

    plans, problems = read_plans(results)
    removed = collect(results, plans, problems, dry_run=dry_run)
    for path, size in removed:
        click.echo(f"{size / 2**20:8.1f} MiB  {path}")
    total = sum(size for _, size in removed)
    click.echo(f"{'would remove' if dry_run else 'removed'} {len(removed)} files, {total / 2**20:.1f} MiB")
