import os
import subprocess
import sys
from pathlib import Path

import pytest

TINY = """
name = "tiny"
[axes]
pretext = ["labels", "rotation"]
meta = ["nearest-centroid", "protonet"]
backbone = ["conv4"]
source = ["glyphs"]
target = ["digits"]
protocol = ["5way-1shot"]
[budget]
samples = 1200
[episodes]
meta_batch = 2
[settings.backbone.conv4]
width = 8
[settings.protocol.episodic]
episodes = 10
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A matrix that runs in seconds."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def benchbench():
    """Run the command as a person does: (arguments) -> finished process with text output."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchbench", *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)

    return run
