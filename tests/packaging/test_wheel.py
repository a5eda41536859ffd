"""The wheel holds what the tree holds, and works in a fresh environment away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("benchbench", "plugins", "tasks", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("build")
    copy = folder / "tree"
    copy.mkdir()
    for name in (*SOURCES, ".gitignore"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, copy / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"]
    done = subprocess.run(build, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel, over the dependencies installed in this one."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    (site / "base.pth").write_text("".join(f"{p}\n" for p in packages), "utf-8")
    # The base environment's own installation of the project is seen through the .pth file: ignore it.
    install = ["install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True)
    return python


def in_fresh(python: Path, *arguments: str) -> str:
    """Output of the fresh interpreter, run outside the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, *arguments], cwd=python.parent, capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_wheel_holds_the_tree(wheel):
    with zipfile.ZipFile(wheel) as archive:
        contents = {n for n in archive.namelist() if ".dist-info/" not in n}
    wanted = {f"benchbench/{f}" for f in files(ROOT / "benchbench")}
    standard = ROOT / "plugins" / "standard" / "benchbench_standard"
    wanted |= {f"benchbench_standard/{f}" for f in files(standard)}
    wanted |= {f"benchbench/_tasks/{f}" for f in files(ROOT / "tasks")}
    assert contents == wanted
    assert {"benchbench/py.typed", "benchbench/data/pool.py", "benchbench/_tasks/matrices/quick.toml"} <= contents


def test_wheel_names_its_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [n for n in archive.namelist() if n.endswith("licenses/LICENSE")]
        text = archive.read(licence).decode()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_fresh_environment_imports_its_own_copy(python):
    code = "import benchbench, benchbench_standard; print(benchbench.__file__); print(benchbench_standard.__file__)"
    for line in in_fresh(python, "-c", code).splitlines():
        assert Path(line).is_relative_to(python.parents[1]), line


def test_command_works_in_a_fresh_environment(python):
    assert "leaderboard" in in_fresh(python, "-m", "benchbench", "--help")
    assert "benchbench" in in_fresh(python, "-m", "benchbench", "--version")


def test_standard_plugins_are_offered_once(python):
    rows = json.loads(in_fresh(python, "-m", "benchbench", "plugins", "--json"))
    offered = [(r["kind"], r["name"]) for r in rows]
    assert len(offered) == len(set(offered))
    assert {("pretext", "rotation"), ("meta", "maml"), ("backbone", "conv4"), ("dataset", "glyphs")} <= set(offered)


def test_packaged_tasks_are_found(python):
    code = "import benchbench; print(benchbench.tasks_folder())"
    folder = Path(in_fresh(python, "-c", code).strip())
    assert folder.is_relative_to(python.parents[1])
    assert (folder / "matrices" / "quick.toml").is_file()
