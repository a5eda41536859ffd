"""The wheel holds what the tree holds, and works in a fresh environment away from the checkout."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(fresh: Callable, suite_wheel: Path) -> Any:
    """A fresh environment with the wheel, over the dependencies installed in this one."""
    made = fresh("installed")
    made.install(suite_wheel)
    return made


def output(environment: Any, *arguments: str) -> str:
    """Of its interpreter, run outside the checkout."""
    done = environment.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_wheel_holds_the_tree(suite_wheel):
    with zipfile.ZipFile(suite_wheel) as archive:
        contents = {n for n in archive.namelist() if ".dist-info/" not in n}
    wanted = {f"benchbench/{f}" for f in files(ROOT / "benchbench")}
    standard = ROOT / "plugins" / "standard" / "benchbench_standard"
    wanted |= {f"benchbench_standard/{f}" for f in files(standard)}
    wanted |= {f"benchbench/_tasks/{f}" for f in files(ROOT / "tasks")}
    assert contents == wanted
    assert {"benchbench/py.typed", "benchbench/data/pool.py", "benchbench/_tasks/matrices/quick.toml"} <= contents


def test_wheel_names_its_licence(suite_wheel):
    with zipfile.ZipFile(suite_wheel) as archive:
        (licence,) = [n for n in archive.namelist() if n.endswith("licenses/LICENSE")]
        text = archive.read(licence).decode()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_fresh_environment_imports_its_own_copy(installed):
    code = "import benchbench, benchbench_standard; print(benchbench.__file__); print(benchbench_standard.__file__)"
    for line in output(installed, "-c", code).splitlines():
        assert Path(line).is_relative_to(installed.python.parents[1]), line


def test_command_works_in_a_fresh_environment(installed):
    assert "leaderboard" in output(installed, "-m", "benchbench", "--help")
    assert "benchbench" in output(installed, "-m", "benchbench", "--version")


def test_standard_plugins_are_offered_once(installed):
    rows = json.loads(output(installed, "-m", "benchbench", "plugins", "--json"))
    offered = [(r["kind"], r["name"]) for r in rows]
    assert len(offered) == len(set(offered))
    assert {("pretext", "rotation"), ("meta", "maml"), ("backbone", "conv4"), ("dataset", "glyphs")} <= set(offered)


def test_packaged_tasks_are_found(installed):
    code = "import benchbench; print(benchbench.tasks_folder())"
    folder = Path(output(installed, "-c", code).strip())
    assert folder.is_relative_to(installed.python.parents[1])
    assert (folder / "matrices" / "quick.toml").is_file()
