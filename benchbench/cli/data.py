import click

from benchbench.cli.values import parse_settings
from benchbench.errors import BenchbenchError


@click.group("data")
def command() -> None:
    """Prepare datasets."""


@command.command("prepare")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the dataset.")
@click.option("--download", is_flag=True, help="Fetch the files into BENCHBENCH_DATA first.")
def prepare_command(name: str, settings: tuple[str, ...], download: bool) -> None:
    """Decode the dataset NAME once, into the cache."""
    from benchbench.data.prepare import data_root, prepare
    from benchbench.registry import resolve_component

    ref = resolve_component("dataset", name, parse_settings(settings))
    if download:
        root, dataset = data_root(), ref.build()
        if root is None or not hasattr(dataset, "download"):
            raise BenchbenchError(
                f"dataset {name} cannot be downloaded" if root else "set BENCHBENCH_DATA to a folder to download into"
            )
        try:
            dataset.download(root)
        except OSError as error:
            raise BenchbenchError(f"dataset {name}: the download failed: {error}") from None
    ready = prepare(ref)
    parts = ", ".join(f"{part} {len(ready.split.part(part))}" for part in ("train", "valid", "test"))
    click.echo(f"{name}: {len(ready.table):,} samples of shape {ready.table.shape}, classes: {parts}")
