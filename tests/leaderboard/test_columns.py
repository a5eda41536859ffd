"""Tables fit where they are read: on a terminal, and in the column of a paper."""

import re
from itertools import pairwise

import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.columns import chosen, fitted
from benchbench.leaderboard.latex import latex
from benchbench.leaderboard.render import terminal
from benchbench.leaderboard.views import VIEWS, Filters, view


@pytest.fixture(scope="module")
def table(make):
    targets = ("digits", "glyphs", "symbols")
    records = [make(p, m, t) for p in ("rotation", "labels") for m in ("protonet", "maml") for t in targets]
    floors = [make("none", "nearest-neighbour", t, (1, 2), floor=True, backbone="pixels") for t in targets]
    return aggregate([*records, *floors])


def lines_of(table, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    body, _, notes = terminal(table).partition("\n\n")
    return body.split("\n"), notes


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 300])
def test_a_table_fits_the_terminal(table, width, monkeypatch):
    lines, notes = lines_of(table, width, monkeypatch)
    assert max(map(len, lines)) <= width
    assert re.match(r"method +rank ", lines[0]), "the rank stands beside the method"
    shown = " ".join(lines[:2]).split()
    assert "digits" in shown
    assert ("parameters" in shown) == (width >= 200)
    # Nothing goes without a word, and what there is room for stays.
    for title in map(str, table.rows.columns):
        assert (title.split()[0] in shown) or (title in notes), title
    assert len(shown) < 8 or width > 60


def test_what_all_rows_share_is_said_once(table, monkeypatch):
    _, notes = lines_of(table, 100, monkeypatch)
    assert notes.startswith("In every row: seeds 1, selection labels none.\n")
    assert "In every row" not in lines_of(table, 300, monkeypatch)[1]


def test_a_pipe_gets_every_column(table, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    header = terminal(table).split("\n")[0]
    assert all(str(title) in header for title in table.rows.columns)


def test_what_fits_comes_back(table):
    kept = [list(fitted(table.rows, width)[0].columns) for width in range(40, 200)]
    assert all(len(a) <= len(b) + 1 for a, b in pairwise(kept))
    assert kept[0][:2] == ["method", "rank"]
    assert set(kept[-1]) == set(table.rows.columns)


def test_no_view_is_wider_than_the_terminal_where_it_can_help_it(make, monkeypatch):
    records = [make(p, m, t, s) for p, s in (("rotation", (5, 6)), ("labels", (7, 9)))
               for m in ("protonet", "nearest-centroid") for t in ("digits", "glyphs")]  # fmt: skip
    for name in VIEWS:
        lines, _ = lines_of(view(name, records), 100, monkeypatch)
        assert max(map(len, lines)) <= 100, name


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["rank"], ["rank"]),
        (["digits", "Rank"], ["digits 5way-1shot", "rank"]),
        (["5way-1shot"], ["digits 5way-1shot", "glyphs 5way-1shot", "symbols 5way-1shot"]),
        (["labels"], ["labels"]),
        (["method", "rank", "rank"], ["rank"]),
    ],
)
def test_columns_are_chosen_by_their_names_and_words(table, names, kept):
    assert list(chosen(table, names).rows.columns) == ["method", *kept]


def test_latex_of_chosen_columns_keeps_its_marks(table):
    text = latex(chosen(table, ["digits", "rank"]))
    assert r"\begin{tabular}{lrr}" in text
    assert "glyphs" not in text.partition(r"\bottomrule")[0]
    assert text.count(r"\textbf{") == latex(table).count(r"\textbf{") / 3


def test_an_unknown_column_names_the_nearest(table, command, tmp_path):
    with pytest.raises(BenchbenchError, match="--columns digit: no such column"):
        chosen(table, ["digit"])
    with pytest.raises(BenchbenchError, match="--columns: expected names with commas"):
        chosen(table, [])
    code, _, err = command("leaderboard", tmp_path, "--columns", "rank", "--format", "csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "--columns is for terminal, markdown and latex" in err


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"samples": 60_000}, {"rotation", "labels"}),
        ({"samples": 59_999}, set()),
        ({"seconds": 41}, set()),
        ({"flops": 0}, {"rotation", "labels"}),
        ({"transductive": "no"}, {"rotation", "labels"}),
        ({"labels": "none", "samples": 60_000}, {"rotation"}),
    ],
)
def test_a_budget_leaves_what_costs_no_more_and_floors(make, filters, left):
    records = [make(p, "protonet", counts=(9, 8)) for p in ("rotation", "labels")]
    records += [make("none", "nearest-centroid", counts=(1, 1), floor=True)]
    found = view("pareto", records, Filters(**filters))
    assert set(found.numbers["pretext"]) == {*left, "none"}
    assert any("training took at most" in note for note in found.notes) == (len(filters.keys() - {"transductive"}) > 0)


def test_which_says_what_its_methods_cost_and_under_what_budget(make, command, save_records):
    results = save_records([make("rotation", counts=(9, 8)), make("labels", counts=(5, 5))])
    code, out, _ = command("leaderboard", results, "--view", "which", "--samples", "60k", "--flops", "2.5T")
    assert code == 0
    assert "Only methods whose training took at most 60,000 samples and 2,500,000,000,000 FLOPs" in out
    assert {"samples", "FLOPs", "transductive"} <= set(out.split("\n")[0].split())
    code, _, err = command("leaderboard", results, "--samples", "sixty")
    assert code == 2
    assert "sixty" in err
    assert command("leaderboard", results, "--samples", "1k", "--transductive", "no")[0] == 2


@pytest.fixture
def save_records(tmp_path):
    from benchbench.store.files import Store

    def save(records):
        for record in records:
            Store(tmp_path / "runs").add(record.training_key, [record])
        return tmp_path / "runs"

    return save
