"""Every command and code block of README and site is run here, or says why it is not."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import benchbench
from benchbench.components.registry import CONTRACTS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs"
FIRST_STUDY = PAGES / "tutorials" / "first-study.md"
#: Pages that are run here as a whole; the one on plugins is run by sections, in test_plugins.py.
OTHERS = sorted(set(PAGES.rglob("*.md")) - {FIRST_STUDY, PAGES / "guides" / "plugins.md"})


def test_the_readme_runs(run_page: Callable[[Path], int], tmp_path: Path) -> None:
    """Matrices of its commands are cut down (LESS in conftest.py)."""
    assert run_page(ROOT / "README.md") == 7
    assert list((tmp_path / "mine" / "records").rglob("*.jsonl"))
    assert "rotation × protonet" in (tmp_path / "mine" / "LEADERBOARD.md").read_text("utf-8")
    assert (tmp_path / "benchbench-my-method").is_dir()


def test_a_block_that_no_test_runs_says_why(run_page: Callable[[Path], int], tmp_path: Path, pages: list[Path],
                                            blocks_of: Callable) -> None:  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text("```\nmake coffee\n```\n")
    with pytest.raises(AssertionError, match="make: a command that no test runs; mark its block as not run"):
        run_page(page)
    page.write_text("<!-- not run: hot -->\n```\nmake coffee\n```\n")
    assert run_page(page) == 0
    for page in pages:
        text = page.read_text("utf-8")
        assert 2 * len(blocks_of(text)) == sum(line.lstrip().startswith("```") for line in text.splitlines()), page


@pytest.mark.parametrize("page", OTHERS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_blocks_run(page: Path, run_page: Callable[[Path], int]) -> None:
    run_page(page)


def test_own_data_end_with_a_row_in_six_lines(
    run_page: Callable[[Path], int], tmp_path: Path, blocks_of: Callable
) -> None:
    """From a folder of pictures, as the guide stands: nothing is cut down."""
    page = PAGES / "guides" / "data.md"
    matrix, commands, *_ = blocks_of(page.read_text("utf-8"))
    assert len((matrix.body + commands.body).splitlines()) == 6
    (tmp_path / "page.md").write_text(page.read_text("utf-8").partition("## ")[0])
    assert run_page(tmp_path / "page.md") == 2
    records = [json.loads(line) for f in (tmp_path / "runs" / "records").rglob("*.jsonl") for line in f.open()]
    assert {(r["status"], r["source"], r["target"]) for r in records} == {("ok", "imagefolder", "imagefolder")}
    assert "rotation × protonet" in (tmp_path / "runs" / "LEADERBOARD.md").read_text("utf-8")


def test_the_first_study_ends_with_its_figure(run_page: Callable[[Path], int], tmp_path: Path) -> None:
    """As the page stands: nothing is cut down."""
    assert run_page(FIRST_STUDY) == 6
    records = [json.loads(line) for f in (tmp_path / "study" / "records").rglob("*.jsonl") for line in f.open()]
    assert all(r["status"] == "ok" for r in records)
    budgets = {r["content"]["recipe"]["budget"]["samples"] for r in records if not r["flags"]["floor"]}
    assert budgets == {1_000, 4_000}
    assert {r["seed"] for r in records} == {0, 1}
    plots = {p.name for p in (tmp_path / "figure" / "plots").iterdir()}
    assert {"scaling.svg", "scaling.png", "scaling.pdf"} <= plots


def test_every_block_can_be_read(pages: list[Path], blocks_of: Callable, parse: Callable) -> None:
    """Of the README too: commands have options that are there, Python compiles, TOML and JSON are read."""
    counted = 0
    for page in pages:
        for block in blocks_of(page.read_text("utf-8")):
            if block.language in ("", "bash"):
                for words in block.commands:
                    if words[0] == "benchbench":
                        parse(words)
                        counted += 1
            elif block.language == "python":
                compile(block.body, str(page), "exec")
            elif block.language == "toml":
                tomllib.loads(block.body)
            elif block.language == "json":
                json.loads(block.body)
            else:
                assert block.language == "text", f"{page.name}: a block of {block.language!r}, which no test reads"
    assert counted > 30


def test_a_command_that_is_not_there_is_found_out(parse: Callable) -> None:
    parse(["benchbench", "plugins", "show", "maml", "--kind", "meta"])
    for words in (["run", "--matrx", "quick"], ["leaderbord"], ["plugins", "shwo", "maml"]):
        with pytest.raises(click.UsageError):
            parse(["benchbench", *words])


def test_readme_python_runs(pages: list[Path], blocks_of: Callable) -> None:
    """The plugin of the README scores by cosine: a class mean along the query has 10, one across it 0."""
    import torch

    from benchbench import Backbone, Episodes, Rng

    class Flat(Backbone):
        dim = 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    (plugin,) = [b for b in blocks_of(pages[0].read_text("utf-8")) if "class CosineNet" in b.body]
    names: dict = {}
    exec(plugin.body, names)
    support, query = torch.tensor([[[2.0, 0.0], [0.0, 3.0]]]), torch.tensor([[[0.0, 5.0]]])
    episodes = Episodes(support, torch.tensor([[0, 1]]), query, None, 2)
    assert names["CosineNet"](Flat()).eval().logits(episodes, Rng(0)).tolist() == [[[0.0, 10.0]]]


def test_relative_links_lead_somewhere(pages: list[Path]) -> None:
    """Links between pages and into the checkout; what the site writes itself is checked by its strict build."""
    generated = ("reference/matrix.md", "reference/record.md", "reference/api.md", "reference/components.md")
    checked = 0
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if "://" in link:
                continue
            checked += 1
            assert (page.parent / link).exists() or link.endswith(generated), f"{page.name}: {link}"
    assert checked > 10


def test_the_site_builds_without_warnings(tmp_path: Path, python: Callable) -> None:
    """Its first page is the README; links in it lead to pages, and those into the checkout are text."""
    given = ["--strict", "--quiet", "--site-dir", tmp_path / "site", "--config-file", ROOT / "mkdocs.yml"]
    python("-m", "mkdocs", "build", *given, timeout=500)
    first = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "What meta-learning adds" in first
    assert "guides/plugins.html" in first
    assert not re.search(r'href="(results|tasks|plugins|docs)/', first)
    assert (tmp_path / "site" / "figures" / "page.png").stat().st_size > 500
    page = (tmp_path / "site" / "components" / "pretext" / "rotation.html").read_text("utf-8")
    assert "Gidaris" in page
    assert (tmp_path / "site" / "components" / "pretext" / "rotation.png").stat().st_size > 500
    assert "--matrix" in (tmp_path / "site" / "reference" / "commands.html").read_text("utf-8")
    api = (tmp_path / "site" / "reference" / "api.html").read_text("utf-8")
    for contract in CONTRACTS.values():
        if contract != "Executor":
            cls = getattr(benchbench, contract)
            declared = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})
                        if base.__module__.startswith("benchbench.")} - {"kind"}  # fmt: skip
            assert len(declared) > 4
            missing = {name for name in declared if f'id="{cls.__module__}.{contract}.{name}"' not in api}
            assert not missing, f"{contract}: no word on {', '.join(sorted(missing))}"
    assert (tmp_path / "site" / "tutorials" / "first-study.ipynb").is_file()
