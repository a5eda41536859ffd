"""``BENCHBENCH_PLUGINS`` chooses which installed distributions may load."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchbench.components import registry
from benchbench.errors import BenchbenchError

COMPONENT = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
from benchbench import Pretext
class Odd(Pretext):
    "An odd pretext."
"""
#: Apart from the component, which needs torch.
HOOK = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
from benchbench import hookimpl
@hookimpl
def leaderboard_columns(records):
    return {"odd": "1"}
"""
MATRIX = """
[axes]
pretext = ["odd-one"]
meta = ["nearest-centroid"]
backbone = ["mlp"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]
[budget]
samples = 100
"""


@pytest.fixture
def installed(tmp_path):
    """Distributions Odd_One and odd-two, each with a component and a hook of its own name, as an installer leaves
    them."""
    for distribution, name in (("Odd_One", "odd-one"), ("odd-two", "odd-two")):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(COMPONENT)
        (tmp_path / f"{module}_hook.py").write_text(HOOK)
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        points = f"[benchbench.pretexts]\n{name} = {module}:Odd\n[benchbench.hooks]\n{name} = {module}_hook\n"
        (about / "entry_points.txt").write_text(points)
    return tmp_path


@pytest.fixture
def run(installed, python):
    """Run Python there: (chosen or None, arguments) -> finished process."""

    def run_python(chosen: str | None, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != "BENCHBENCH_PLUGINS"}
        environment |= {"PYTHONPATH": str(installed)} | ({} if chosen is None else {"BENCHBENCH_PLUGINS": chosen})
        return python(*arguments, check=False, env=environment)

    return run_python


def imported(folder: Path) -> set[str]:
    return {path.stem.removesuffix("_hook") for path in folder.glob("*.imported")}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, {"odd_one", "odd_two"}),
        ("odd.ONE", {"odd_one"}),
        (" odd-two, Odd_One", {"odd_one", "odd_two"}),
        ("", set()),
    ],
)
def test_only_chosen_plugins_are_listed_and_imported(installed, run, chosen, expected):
    listed = run(chosen, "-m", "benchbench", "plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout)
    assert {r["name"].replace("-", "_") for r in rows if r["name"].startswith("odd-")} == expected
    assert any(r["name"] == "rotation" for r in rows), "the standard plugins are always there"
    assert imported(installed) == set()
    listing = "from benchbench.execution.hooks import Hooks; h = Hooks.installed().manager.list_name_plugin()\n"
    hooks = run(chosen, "-c", listing + "print(*sorted(name for name, _ in h))")
    assert set(hooks.stdout.split()) == {name.replace("_", "-") for name in expected} | {"tensorboard", "webhook"}
    assert imported(installed) == expected


@pytest.fixture
def chosen(installed, monkeypatch):
    """Choose plugins in this process."""

    def choose(names: str) -> None:
        monkeypatch.setenv("BENCHBENCH_PLUGINS", names)
        registry.offers.cache_clear()

    monkeypatch.syspath_prepend(installed)
    yield choose
    registry.offers.cache_clear()


def test_a_matrix_that_names_what_is_left_out_is_told_so(installed, chosen, command):
    path = installed / "matrix.toml"
    path.write_text(MATRIX)
    chosen("odd-two")
    code, _, err = command("run", "--matrix", path, "--dry-run")
    assert code == 2
    assert err == (
        "error: matrix 'matrix': axes.pretext: "
        "pretext 'odd-one' is offered by Odd_One, which BENCHBENCH_PLUGINS leaves out\n"
    )
    with pytest.raises(BenchbenchError, match="'Odd_One:odd-one' is offered by Odd_One, which BENCHBENCH_PLUGINS"):
        registry.find("pretext", "Odd_One:odd-one")
    assert "odd_one" not in imported(installed)


def test_a_distribution_that_is_not_there_is_an_error(run):
    done = run("odd-one,odd-tow", "-m", "benchbench", "plugins")
    assert done.returncode == 2
    assert done.stderr == "error: BENCHBENCH_PLUGINS: no plugin 'odd-tow' is installed; did you mean 'odd-two'?\n"
