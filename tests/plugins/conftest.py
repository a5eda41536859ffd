"""Fresh environments with third-party distributions really installed in them."""

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment over the packages of this one and the harness as it stands in the tree."""

    python: Path
    folder: Path

    def benchbench(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command there, outside the checkout."""
        command = [self.python, "-m", "benchbench", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)

    def matrix(self, pretexts: list[str], metas: list[str], backbones: list[str]) -> Path:
        """A tiny matrix over these names."""
        path = self.folder / "matrix.toml"
        text = MATRIX.format(pretexts=quoted(pretexts), metas=quoted(metas), backbones=quoted(backbones))
        path.write_text(text, "utf-8")
        return path


def make_environment(folder: Path, *distributions: str) -> Environment:
    """A venv in `folder` into which the named fixture distributions are built and installed."""
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    lines = [str(ROOT), str(ROOT / "plugins" / "standard"), *packages]
    Path(site, "base.pth").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for name in distributions:
        source = shutil.copytree(FIXTURES / name, folder / "source" / name)
        wheels = folder / "wheels" / name
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
        subprocess.run([sys.executable, *install, *wheels.glob("*.whl")], check=True, capture_output=True)
    return Environment(python, folder)


@pytest.fixture(scope="session")
def working(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With a working plugin and one that cannot be imported."""
    return make_environment(tmp_path_factory.mktemp("working"), "good", "broken")


@pytest.fixture(scope="session")
def colliding(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With a plugin that offers the name of a standard pretext."""
    return make_environment(tmp_path_factory.mktemp("colliding"), "colliding")


@pytest.fixture(scope="session")
def finished_run(working: Environment) -> subprocess.CompletedProcess[str]:
    """Third-party components in one matrix with standard ones; each axis holds both."""
    matrix = working.matrix(
        ["rotation", "inversion"], ["protonet", "inner-product", "nearest-centroid"], ["conv4", "random-features"]
    )
    return working.benchbench(
        "run", "--matrix", matrix, "--results", working.folder / "results", "--executor", "inline"
    )
