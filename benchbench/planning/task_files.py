"""Matrices, studies and other tasks: a TOML file, or a packaged one by name."""

from pathlib import Path

from benchbench.components.limits import quoted
from benchbench.errors import BenchbenchError, suggest
from benchbench.packaged import tasks_folder


def task_file(kind: str, name: str, pattern: str) -> Path:
    """The TOML file at a path, or the packaged one of that name among those of the `pattern`.

    Raises BenchbenchError, which says the `kind` of file that was expected and the nearest name.
    """
    path, packaged = Path(name), {p.stem: p for p in tasks_folder().glob(pattern)}
    if path.is_file():
        return path
    if name in packaged:
        return packaged[name]
    if path.exists():
        raise BenchbenchError(f"{kind} {name}: expected a .toml file or the name of a packaged {kind}")
    if path.suffix == ".toml":
        beside = {p.name for p in path.parent.glob("*.toml")}
        raise BenchbenchError(f"no {kind} file {name}{suggest(path.name, beside or packaged)}")
    raise BenchbenchError(f"unknown {kind} {quoted(name)}{suggest(name, packaged)} (or a path to a .toml file)")
