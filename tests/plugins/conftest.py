"""Fresh environments with third-party distributions really installed in them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"

MATRIX = """
name = "third-party"
[axes]
pretext = {pretexts}
meta = {metas}
backbone = {backbones}
source = ["glyphs"]
target = ["digits"]
protocol = ["episodic"]
[budget]
samples = 400
[episodes]
ways = 4
queries = 2
meta_batch = 2
[settings.protocol.episodic]
episodes = 5
"""


def quoted(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


@pytest.fixture(scope="session")
def with_plugins(fresh: Callable, build: Callable) -> Callable[..., Any]:
    """Make an environment with the harness as it stands in the tree, into which some of the fixture distributions are
    built and installed."""

    def make(*names: str) -> Any:
        made = fresh("-".join(names), ROOT, ROOT / "plugins" / "standard")
        for name in names:
            source = shutil.copytree(FIXTURES / name, made.folder / "source" / name)
            made.install(build(source, made.folder / "wheels"))
        return made

    return make


@pytest.fixture(scope="session")
def run_matrix() -> Callable[..., list[object]]:
    """The arguments that run a tiny matrix over some names in an environment."""

    def arguments(where: Any, name: str, pretexts: list[str], metas: list[str], backbones: list[str]) -> list[object]:
        path = where.folder / f"{name}.toml"
        text = MATRIX.format(pretexts=quoted(pretexts), metas=quoted(metas), backbones=quoted(backbones))
        path.write_text(text, "utf-8")
        return ["run", "--matrix", path, "--results", where.folder / name, "--executor", "inline"]

    return arguments


@pytest.fixture(scope="session")
def working(with_plugins: Callable) -> Any:
    """With a working plugin and one that cannot be imported."""
    return with_plugins("good", "broken")


@pytest.fixture(scope="session")
def done(working: Any, run_matrix: Callable) -> dict[str, subprocess.CompletedProcess[str]]:
    """Commands in that environment; the matrix of `run` holds third-party components beside standard ones on each
    axis."""
    metas = ["protonet", "inner-product", "nearest-centroid"]
    return working.commands(
        run=run_matrix(working, "run", ["rotation", "inversion"], metas, ["mlp", "random-features"]),
        broken=run_matrix(working, "broken", ["rotation"], ["broken-meta", "nearest-centroid"], ["random-features"]),
        unknown=[*run_matrix(working, "unknown", ["inversoin"], ["protonet"], ["mlp"]), "--dry-run"],
        show=["plugins", "show", "broken-meta"],
        list=["plugins", "--json"],
        check=["plugins", "--check", "--json"],
    )


@pytest.fixture(scope="session")
def colliding(with_plugins: Callable) -> Any:
    """With a plugin that offers the name of a standard pretext."""
    return with_plugins("colliding")


@pytest.fixture(scope="session")
def collided(colliding: Any, run_matrix: Callable) -> dict[str, subprocess.CompletedProcess[str]]:
    """Commands in that environment."""
    both = ["benchbench-suite:rotation", "benchbench-colliding:rotation"]
    return colliding.commands(
        bare=run_matrix(colliding, "bare", ["rotation"], ["nearest-centroid"], ["mlp"]),
        qualified=run_matrix(colliding, "qualified", both, ["nearest-centroid"], ["mlp"]),
        others=[*run_matrix(colliding, "others", ["none"], ["nearest-centroid"], ["mlp"]), "--dry-run"],
    )
