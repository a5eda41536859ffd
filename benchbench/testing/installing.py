"""A plugin's own tests as if it were installed."""

import importlib
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchbench.components.registry import offers


@contextmanager
def installed(project: Path) -> Iterator[None]:
    """Run a block in which the plugin in the folder `project` is installed, with the entry points of its
    ``pyproject.toml``, here and in the processes that the block starts."""
    about = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    name, version = about["name"], about.get("version", "0")
    groups = about.get("entry-points", {}).items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))]
    path, variable = list(sys.path), os.environ.get("PYTHONPATH")
    with TemporaryDirectory() as folder:
        info = Path(folder) / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
        sys.path[:0] = added = [folder, str(project)]
        os.environ["PYTHONPATH"] = os.pathsep.join([*added, *([variable] if variable else [])])
        _forget()
        try:
            yield
        finally:
            sys.path[:] = path
            os.environ.pop("PYTHONPATH")
            if variable is not None:
                os.environ["PYTHONPATH"] = variable
            _forget()


def _forget() -> None:
    """Look for what is installed anew."""
    importlib.invalidate_caches()
    offers.cache_clear()
