"""A stranger's path as README and guides show it, by the real commands in a clone: nothing is imported from here."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MATRIX = """\
[axes]
pretext = ["rotation"]
meta = ["nearest-centroid", "my-method"]
backbone = ["conv4"]
source = ["imagefolder"]
target = ["imagefolder", "digits"]
protocol = ["5way-1shot"]

[budget]
samples = 600

[settings.dataset.imagefolder]
path = "pictures"
split = "auto:0:50/0/50"
size = 28

[settings.protocol.episodic]
episodes = 20
"""


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_from_a_clone_to_a_figure_of_ones_own(tmp_path: Path, pictures) -> None:
    clone, mine = tmp_path / "clone", tmp_path / "mine"
    mine.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("BENCHBENCH_DATA", "VIRTUAL_ENV", "PYTHONPATH")}

    def run(*words: str | Path, folder: Path = mine) -> str:
        done = subprocess.run(list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words} ends with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    run("git", "clone", "-q", ROOT, clone, folder=tmp_path)
    assert "labels × maml" in run("make", "quickstart", folder=clone)
    python, command = clone / ".venv" / "bin" / "python", clone / ".venv" / "bin" / "benchbench"
    assert "labels × maml" in run(command, "leaderboard", clone / "results" / "quick")

    run(command, "plugins", "new", "my-method", "--kind", "meta")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", "benchbench-my-method")
    run(command, "plugins", "check", "my-method")

    pictures(mine / "pictures")
    (mine / "mine.toml").write_text(MATRIX, "utf-8")
    assert "rotation × my-method" in run(command, "run", "--matrix", "mine.toml", "--seeds", "0,1", "--quiet")
    compared = run(command, "compare", "--results", "runs", "rotation/my-method", "rotation/nearest-centroid")
    assert "digits" in compared
    run(command, "leaderboard", "runs", "--output", "site")
    assert (mine / "site" / "leaderboard.html").stat().st_size > 10_000
    assert [*(mine / "site" / "plots").glob("*.pdf")]
