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
def installed(fresh: Callable, build: Callable) -> Any:
    """With the harness as it stands in the tree, a plugin that works, one that cannot be imported, and one that offers
    the name of a standard pretext, rotation."""
    made = fresh("plugins", ROOT, ROOT / "plugins" / "standard")
    sources = [shutil.copytree(FIXTURES / name, made.folder / name) for name in ("good", "broken", "colliding")]
    made.install(*(build(source, made.folder / "wheels") for source in sources))
    return made


@pytest.fixture(scope="session")
def done(installed: Any) -> dict[str, subprocess.CompletedProcess[str]]:
    """Commands in that environment; the matrix of `run` holds third-party components beside standard ones on each
    axis. What `run` and `qualified` train is in folders of these names."""

    def run(name: str, pretexts: list[str], metas: list[str], backbones: list[str]) -> list[object]:
        path = installed.folder / f"{name}.toml"
        text = MATRIX.format(pretexts=quoted(pretexts), metas=quoted(metas), backbones=quoted(backbones))
        path.write_text(text, "utf-8")
        return ["run", "--matrix", path, "--results", installed.folder / "results" / name, "--executor", "inline"]

    metas = ["protonet", "inner-product", "nearest-centroid"]
    both = ["benchbench-suite:rotation", "benchbench-colliding:rotation"]
    return installed.commands(
        run=run("run", ["jigsaw", "inversion"], metas, ["mlp", "random-features"]),
        broken=run("broken", ["jigsaw"], ["broken-meta", "nearest-centroid"], ["random-features"]),
        unknown=[*run("unknown", ["inversoin"], ["protonet"], ["mlp"]), "--dry-run"],
        bare=run("bare", ["rotation"], ["nearest-centroid"], ["mlp"]),
        qualified=run("qualified", both, ["nearest-centroid"], ["mlp"]),
        show=["plugins", "show", "broken-meta"],
        list=["plugins", "--json"],
        check=["plugins", "--check", "--json"],
    )
