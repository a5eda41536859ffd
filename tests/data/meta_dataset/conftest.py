"""A small Omniglot in torchvision's layout: its 50 alphabets with five characters each, two drawings of each."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import tasks_folder


@pytest.fixture(scope="session")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("omniglot")
    content = json.loads((tasks_folder() / "splits" / "omniglot-meta-dataset.json").read_text("utf-8"))
    number = 0
    for part in ("train", "valid", "test"):
        folder = root / "data" / "omniglot-py" / ("images_evaluation" if part == "test" else "images_background")
        for alphabet in content[part]:
            for character in range(1, 6):
                place = folder / alphabet / f"character{character:02d}"
                place.mkdir(parents=True)
                for drawing in (1, 2):
                    # Every drawing has pixels of its own: its number in binary.
                    paper = np.full((8, 8), 255, np.uint8)
                    paper[:2] = 255 * (number >> np.arange(16).reshape(2, 8) & 1)
                    Image.fromarray(paper).save(place / f"0001_{drawing:02d}.png")
                    number += 1
    return root


@pytest.fixture
def omniglot(_tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder that holds it, and the cache in use; shared by tests, which leave it as it is."""
    monkeypatch.setenv("BENCHBENCH_DATA", str(_tree / "data"))
    monkeypatch.setenv("BENCHBENCH_CACHE", str(_tree / "cache"))
    return _tree / "data"


@pytest.fixture
def records(omniglot: Path, tmp_path: Path) -> Path:
    """A folder of this test's own for record files."""
    return omniglot / "records" / tmp_path.name
