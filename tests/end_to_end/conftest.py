from dataclasses import dataclass
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


@dataclass(frozen=True)
class Done:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def benchbench(command):
    """Run the command, in this process, which has imported torch already: (arguments) -> what it did."""
    return lambda *arguments: Done(*command(*arguments))
