"""The page on results explains every view, mark and verdict that tables have."""

import re
from pathlib import Path

from benchbench.leaderboard.cell import Trained
from benchbench.leaderboard.grid import AGREE, BELOW, EARLIER
from benchbench.leaderboard.views import VIEWS

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "results.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    text = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[c.strip() for c in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_table_names_exactly_the_views_that_exist() -> None:
    found = rows("Which view answers what")
    assert [name for name, *_ in found] == [f"`{name}`" for name in VIEWS]
    for name, question, when in found:
        assert question.endswith("?"), name
        assert when, name


def test_every_mark_and_flag_is_explained() -> None:
    named = re.findall(r"`([^`]+)`", " ".join(first for first, *_ in rows("Marks and columns")))
    for mark in (AGREE, BELOW, "†", f"({EARLIER})", "(floor)", "(external)", "(verified)", "rank", "tied rank"):
        assert mark in named, mark
    flags = [name for name in ("labels", "selection_labels", "transductive", "weights") if name in Trained._fields]
    assert {name.replace("_", " ") for name in flags} <= {*named}
    assert len(flags) == 4


def test_statistics_that_tables_name_are_explained() -> None:
    text = PAGE.read_text("utf-8").split("## Statistics")[1]
    for name in ("d (seeds)", "Holm", "verdict", "IQM", "P(beats the first)", "detectable", "over", "significance"):
        assert name in text.replace("\n", " "), name
