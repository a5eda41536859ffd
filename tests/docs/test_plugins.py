"""The page on plugins: its common part, and the example of each kind."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from benchbench.components.registry import GROUPS, offers
from benchbench.execution.hooks import Specifications
from benchbench.scaffold import KINDS, new_plugin

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "plugins.md"
COMMON = "From an empty folder to a row"
SECTIONS = {
    "pretext": "Pretexts",
    "meta": "Meta-algorithms",
    "backbone": "Backbones",
    "dataset": "Datasets",
    "protocol": "Protocols",
}


@pytest.fixture
def section(blocks_of: Callable) -> Callable[[str], str]:
    """The text below a heading of the page."""
    parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).__getitem__


@pytest.fixture
def run_text(run_page: Callable[[Path], int], tmp_path: Path) -> Callable[[str], int]:
    """Run the blocks of a text."""

    def run(text: str) -> int:
        (tmp_path / "page.md").write_text(text, "utf-8")
        return run_page(tmp_path / "page.md")

    return run


def files(text: str, blocks_of: Callable) -> str:
    """The blocks of a text that are files: the matrix, without what is done with it."""
    held = [b for b in blocks_of(text) if b.title]
    return "\n".join(f'```{b.language} title="{b.title}"\n{b.body}```' for b in held)


def records(folder: Path) -> list[dict]:
    """Every record below a results folder."""
    return [json.loads(line) for f in (folder / "records").rglob("*.jsonl") for line in f.open()]


def test_the_common_part_ends_with_a_row(run_text: Callable, section: Callable, tmp_path: Path) -> None:
    assert run_text(section(COMMON)) == 4
    assert {r["method"]["pretext"] for r in records(tmp_path / "runs")} == {"negatives", "none"}
    assert all(r["status"] == "ok" for r in records(tmp_path / "runs"))
    assert "| negatives × nearest-centroid " in (tmp_path / "site" / "LEADERBOARD.md").read_text("utf-8")
    offered = tomllib.loads((tmp_path / "benchbench-negatives" / "pyproject.toml").read_text("utf-8"))
    assert 'negatives = "benchbench_negatives:Negatives"' in section(COMMON)
    assert offered["project"]["entry-points"] == {
        "benchbench.pretexts": {"negatives": "benchbench_negatives:Negatives"}
    }


@pytest.mark.full
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pretext"])
def test_each_kind_ends_with_a_row(
    kind: str, run_text: Callable, section: Callable, blocks_of: Callable, tmp_path: Path
) -> None:
    """With the matrix of the common part; a pretext is that part's own example."""
    assert run_text(files(section(COMMON), blocks_of) + section(SECTIONS[kind])) == 3
    (made,) = tmp_path.glob("benchbench-*")
    found = records(tmp_path / "runs")
    used = {r["method"][axis] for r in found for axis in ("pretext", "meta", "backbone")}
    used |= {r[axis] for r in found for axis in ("source", "target", "protocol")}
    assert made.name.removeprefix("benchbench-") in used
    assert all(r["status"] == "ok" for r in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_shown_is_the_one_that_is_written(
    kind: str, section: Callable, blocks_of: Callable, tmp_path: Path
) -> None:
    (shown,) = [b for b in blocks_of(section(SECTIONS[kind])) if b.language == "python"]
    name = shown.title.split("/")[0].removeprefix("benchbench-")
    new_plugin(name, kind, tmp_path)
    assert (tmp_path / shown.title).read_text("utf-8") == shown.body
    named = section(COMMON if kind == "pretext" else SECTIONS[kind])
    assert f"benchbench plugins new {name} --kind {kind}\n" in named


def test_executors_and_hooks_run(run_text: Callable, section: Callable, blocks_of: Callable, tmp_path: Path) -> None:
    matrix = files(section(COMMON), blocks_of)
    assert run_text(matrix + section("Executors") + section("Hooks")) == 7
    (written,) = {len(records(tmp_path / folder)) for folder in ("backwards", "noted")}
    diary = (tmp_path / "diary.txt").read_text("utf-8").splitlines()
    assert len(diary) == written
    assert any(line.startswith("rotation x nearest-centroid on digits: 0.") for line in diary)


def test_every_kind_and_hook_is_named(section: Callable) -> None:
    text = PAGE.read_text("utf-8").partition("## ")[0]
    rows = {m[1]: m[2] for m in re.finditer(r"^\| \[(\w+)\].*\| `(benchbench\.\w+)` \|$", text, re.MULTILINE)}
    assert rows == {**GROUPS, "hook": "benchbench.hooks"}
    current = {name for name in vars(Specifications) if not name.startswith("_")} - {"leaderboard_columns"}
    assert current <= set(re.findall(r"`(\w+)`", section("Hooks")))
    assert "tabular" in {offer.name for offer in offers("modality")}
