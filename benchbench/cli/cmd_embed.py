from pathlib import Path

import click

from benchbench.errors import BenchbenchError


@click.command("embed")
@click.argument("key")
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The folder (default: runs).")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The .npz or .csv file to write.")
def command(key: str, place: Path, results: Path, output: Path | None) -> None:
    """Write the features of every image below the folder PLACE, or of every line of the text file PLACE, computed by
    the encoder of KEY: a training, a record, or an exported folder."""
    from benchbench.data.found import found_images
    from benchbench.export.encoder import load_encoder
    from benchbench.export.export import encoder_of, records_of
    from benchbench.export.folder import embed_found

    path = output or Path("features.npz")
    if path.suffix not in (".npz", ".csv"):
        raise BenchbenchError(f"--output {path}: expected a name that ends in .npz or .csv")
    exported = Path(key)
    if exported.exists() and not (exported.is_dir() or exported.is_file()):
        raise BenchbenchError(f"{key}: expected a training, a record or an exported folder, not a pipe or device")
    encoder = load_encoder(key) if exported.exists() else encoder_of(results, records_of(results, key)[0])[0]
    count = embed_found(encoder, place, path)
    click.echo(f"wrote {path}: {count} samples, {encoder.dim} features each")
    for line in found_images(place).passed_over() if place.is_dir() else ():
        click.echo(f"  {line}")
