"""From nothing to rows of a matrix: one plugin of each kind is scaffolded, built, installed away from the checkout,
tested by its own tests and by `plugins check`, and run beside the others."""

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchbench.scaffold import KINDS, new_plugin

ROOT = Path(__file__).parents[2]
MATRIX = """
name = "scaffolded"
floors = false
[axes]
pretext = ["my-pretext"]
meta = ["my-meta", "nearest-centroid"]
backbone = ["my-backbone"]
source = ["my-dataset"]
target = ["my-dataset"]
protocol = ["my-protocol", "episodic"]
[budget]
samples = 400
[episodes]
ways = 2
queries = 2
meta_batch = 2
[settings.protocol.episodic]
episodes = 5
"""


@dataclass(frozen=True)
class Fresh:
    """A fresh environment with the suite's wheel and the plugins', over the dependencies of this one."""

    python: Path
    folder: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run its Python outside the checkout."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BENCHBENCH_DATA")}
        environment |= {"BENCHBENCH_CACHE": str(self.folder / "cache"), "COLUMNS": "200"}
        command = [self.python, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """With one scaffolded plugin of each kind."""
    folder = tmp_path_factory.mktemp("fresh")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("benchbench", "plugins", "tasks"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tree / name)
    plugins = folder / "plugins"
    sources = [tree, *(new_plugin(f"my-{kind}", kind, plugins) for kind in KINDS)]
    for source in sources:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheels"]
        done = subprocess.run(build, cwd=source, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = folder.glob("venv/lib/python*/site-packages")
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    (site / "base.pth").write_text("".join(f"{p}\n" for p in packages), "utf-8")
    # The base environment's own installation of the project is seen through the .pth file: ignore it.
    install = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        *(folder / "wheels").glob("*.whl"),
    ]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, capture_output=True)
    return Fresh(python, folder)


def test_their_own_tests_pass(fresh):
    away = "import benchbench, benchbench_standard; print(benchbench.__file__, benchbench_standard.__file__)"
    assert all(Path(p).is_relative_to(fresh.folder / "venv") for p in fresh.run("-c", away).stdout.split())
    done = fresh.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "plugins")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_they_conform(fresh):
    done = fresh.run("-m", "benchbench", "plugins", "check", *(f"benchbench-my-{kind}" for kind in KINDS), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    cards = json.loads(done.stdout)
    assert [(c["kind"], c["name"]) for c in cards] == [(kind, f"my-{kind}") for kind in KINDS]
    assert all(c["conforms"] for c in cards)


def test_a_matrix_uses_them_all(fresh):
    (fresh.folder / "matrix.toml").write_text(MATRIX)
    done = fresh.run("-c", "import benchbench; benchbench.run('matrix.toml', 'results', executor='inline')")
    assert done.returncode == 0, done.stderr
    lines = [line for p in sorted((fresh.folder / "results").rglob("*.jsonl")) for line in p.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    assert {r["status"] for r in records} == {"ok"}
    assert {(r["method"]["meta"], r["protocol"]) for r in records} == {
        (meta, protocol) for meta in ("my-meta", "nearest-centroid") for protocol in ("my-protocol", "episodic")
    }
    for kind in KINDS:
        assert any(f"benchbench-my-{kind}:my-{kind}" in line for line in lines), kind
