from pathlib import Path

import click


@click.command("export")
@click.argument("key")
@click.option("--results", default="runs", type=click.Path(path_type=Path), help="The folder (default: runs).")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="The folder to write.")
@click.option("--onnx", is_flag=True, help="Also write an ONNX file, checked against the encoder.")
@click.option("--push-to-hub", "repository", metavar="REPO", help="Send it to this repository of Hugging Face's Hub.")
@click.option("--private", is_flag=True, help="With --push-to-hub: a repository that is made is private.")
def command(key: str, results: Path, output: Path | None, onnx: bool, repository: str | None, private: bool) -> None:
    """Write the encoder of the training or record KEY as safetensors, with a model card."""
    from benchbench.export.export import export
    from benchbench.export.hub import need_hub, push

    if repository:
        need_hub()  # before anything is written
    files = export(results, key, output or Path(f"encoder-{key[:12]}"), onnx=onnx)
    for path in files:
        click.echo(f"wrote {path}")
    if repository:
        click.echo(f"pushed to {push(files, repository, private=private)}")
