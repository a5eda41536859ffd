"""What tests of several subjects share."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
CACHE = os.environ.get("BENCHBENCH_CACHE")
#: What a wheel of the suite is built from.
SOURCES = ("benchbench", "plugins/standard", "tasks", "pyproject.toml", "README.md", "LICENSE", ".gitignore")

#: Several commands in one process: their exit codes, outputs and errors by name.
SEVERAL = """
import contextlib, io, json, sys
from benchbench.cli import main
done = {}
for name, arguments in json.loads(sys.argv[1]).items():
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    done[name] = code, out.getvalue(), err.getvalue()
print(json.dumps(done))
"""

# How long an example takes tells of the machine's load, not of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Tables have all their columns, whatever a terminal, or another test, says of its width."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def shared_cache(monkeypatch) -> Callable[[], None]:
    """Turns from a test's own cache of tables to the one that tests share, where glyphs are drawn already."""

    def turn() -> None:
        monkeypatch.delenv("BENCHBENCH_CACHE", raising=False)
        if CACHE:
            monkeypatch.setenv("BENCHBENCH_CACHE", CACHE)

    return turn


@pytest.fixture
def command(capsys):
    """Run ``benchbench ARGUMENTS`` in this process: exit code, standard output, standard error."""
    from benchbench.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def interpreter(
    *arguments: object, python: Path | str = sys.executable, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a Python with these arguments. `options` are those of `subprocess.run`; with `check` its end is asserted to
    be a good one."""
    command = [str(python), *map(str, arguments)]
    given: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 300, **options}
    done = subprocess.run(command, check=False, **given)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`interpreter`: this Python, in a process of its own."""
    return interpreter


@pytest.fixture
def float64() -> Iterator[None]:
    """Run a test in float64, so that finite differences mean something."""
    import torch

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@dataclass(frozen=True)
class Fresh:
    """A fresh virtual environment over the third-party packages of this one, away from the checkout; in it `variables`
    are set."""

    python: Path
    folder: Path
    variables: dict[str, str]

    def install(self, *wheels: Path) -> None:
        """Install wheels, and nothing that they depend on."""
        # The base environment's own installation of the project is seen through the .pth file: ignore it.
        options = ["--quiet", "--no-deps", "--no-index", "--ignore-installed"]
        interpreter("-m", "pip", "--python", self.python, "install", *options, *wheels)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run its Python in its folder, outside the checkout."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BENCHBENCH_DATA")}
        environment |= {"COLUMNS": "200", **self.variables}
        return interpreter(*arguments, python=self.python, check=False, cwd=self.folder, env=environment)

    def commands(self, **several: list[object]) -> dict[str, subprocess.CompletedProcess[str]]:
        """Run the command with each of these arguments, in one process: importing torch takes longer than most."""
        done = self.run("-c", SEVERAL, json.dumps(several, default=str))
        assert done.returncode == 0, done.stderr
        return {
            name: subprocess.CompletedProcess(several[name], *outcome)
            for name, outcome in json.loads(done.stdout).items()
        }


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Fresh]:
    """Make a fresh environment; `on_path` are folders whose modules it sees besides, as an editable install does."""

    def make(name: str, *on_path: Path, **variables: str) -> Fresh:
        folder = tmp_path_factory.mktemp(name)
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        (site,) = folder.glob("venv/lib/python*/site-packages")
        packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
        (site / "base.pth").write_text("".join(f"{p}\n" for p in [*on_path, *packages]), "utf-8")
        return Fresh(folder / "venv" / "bin" / "python", folder, variables)

    return make


@pytest.fixture(scope="session")
def build() -> Callable[[Path, Path], Path]:
    """Build the wheel of a project's folder into another one, without a network; gives its path."""

    def run(project: Path, into: Path) -> Path:
        interpreter("-m", "hatchling", "build", "-t", "wheel", "-d", into, cwd=project)
        return max(into.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)

    return run


@pytest.fixture(scope="session")
def suite_wheel(build: Callable[[Path, Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's wheel, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("suite")
    for name in SOURCES:
        source, target = ROOT / name, folder / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, target)
    return build(folder / "tree", folder / "wheels")
