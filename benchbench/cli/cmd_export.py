from pathlib import Path

import click


@click.command("export")
@click.argument("key")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The folder (default: runs).")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="The folder to write.")
@click.option("--onnx", is_flag=True, help="Also write an ONNX file, checked against the encoder.")
def command(key: str, results: Path, output: Path | None, onnx: bool) -> None:
    """Write the encoder of the training or record KEY as safetensors, with a model card."""
    from benchbench.export.export import export

    for path in export(results, key, output or Path(f"encoder-{key[:12]}"), onnx=onnx):
        click.echo(f"wrote {path}")
