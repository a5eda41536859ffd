"""CITATION.cff is of this version and licence."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_citation_says_what_the_distribution_says() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert cited["keywords"] == project["keywords"]
    assert cited["authors"] == [{"name": "The benchbench authors"}]
    # What the format requires (Citation File Format 1.2.0).
    assert cited["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= cited.keys()
