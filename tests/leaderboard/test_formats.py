"""The other formats: JSON under its schema, LaTeX, and what no name may do in any of them."""

import json
import re

import jsonschema
import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.document import document, schema
from benchbench.leaderboard.latex import escaped, latex
from benchbench.leaderboard.render import FORMATS, README_ROWS, terminal, write_leaderboard
from benchbench.leaderboard.views import VIEWS, view

EVIL = r"<script>|_&%$#{}~^\[x]"
COLUMN = "glyphs 5way-1shot"


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def several(make):
    records = [make(p, counts=c, seed=s) for p, c in (("rotation", (5, 9)), ("jigsaw", (2, 3))) for s in (0, 1)]
    return [*records, make("labels", counts=None, reason="killed"), make("labels", target="digits")]


def test_json_is_valid_and_holds_the_scores(make, validator):
    found = json.loads(document(aggregate(several(make), lambda _: {"cells": "2"})))
    validator.validate(found)
    rows = {row["pretext"]: row for row in found["rows"]}
    assert found["columns"] == ["digits 5way-1shot", COLUMN]
    score = rows["rotation"]["scores"][COLUMN]
    assert (score["status"], score["mean"], score["over"], score["seeds"]) == ("ok", 70, "episodes", 2)
    # Standard deviation 20 points over two episodes, in either seed; the seeds agree exactly.
    assert score["seed_se"] == 0
    assert (score["episode_se"], score["ci95"]) == pytest.approx((20 / 2**0.5, 1.96 * 20 / 2**0.5), abs=1e-6)
    assert rows["labels"]["scores"][COLUMN]["status"] == "failed"
    assert rows["jigsaw"]["scores"]["digits 5way-1shot"] == {
        "status": "missing", "mean": None, "ci95": None, "over": None, "episode_se": None, "seed_se": None, "seeds": 0,
    }  # fmt: skip
    assert (rows["rotation"]["parameters"], rows["rotation"]["cells"]) == (112_000, "2")


def test_whole_numbers_stay_whole_beside_missing_ones(make):
    table = aggregate([make(), make("labels", counts=None, reason="killed")])
    assert '"parameters": 112000,' in document(table)
    assert ",112000," in FORMATS["csv"](table)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("notes"),
        lambda d: d["rows"][0].pop("rank"),
        lambda d: d["rows"][1]["scores"][COLUMN].update(mean=None),
        lambda d: d.update(schema_version=2),
    ],
)
def test_the_schema_refuses_what_is_no_leaderboard(make, validator, change):
    found = json.loads(document(aggregate(several(make))))
    assert found["rows"][1]["scores"][COLUMN]["status"] == "ok"
    assert validator.is_valid(found)
    change(found)
    assert not validator.is_valid(found)


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_valid_json(make, validator, name):
    validator.validate(json.loads(document(view(name, several(make)))))


def test_latex_marks_the_best_the_second_and_their_ties(make):
    # Half-widths: 0 for equal counts, 1.96 * 10 / sqrt(2) = 13.9 for counts one apart from their mean.
    records = [
        make("labels", counts=(9, 9)),
        make("rotation", counts=(7, 9)),
        make("jigsaw", counts=(6, 6)),
        make("mixture", counts=(1, 1)),
        make("none", counts=None, reason="killed"),
    ]
    text = latex(aggregate(records))
    lines = {
        p: next(line for line in text.splitlines() if line.startswith(p)) for p in ("labels", "rotation", "jigsaw")
    }
    assert r"\textbf{90.00 $\pm$ 0.00}" in lines["labels"]
    assert r"\textbf{80.00 $\pm$ 13.86}" in lines["rotation"]
    assert r"\underline{60.00 $\pm$ 0.00}" in lines["jigsaw"]
    assert text.count(r"\textbf{") == 2
    assert text.count(r"\underline{") == 1
    for mark in (r"\toprule", r"\midrule", r"\bottomrule", r"labels $\times$ protonet"):
        assert mark in text


def test_latex_is_balanced_whatever_the_names(make):
    text = latex(aggregate([make(EVIL), make("labels", counts=None, reason=EVIL)], lambda _: {EVIL: EVIL}))
    plain = text.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", text).group(1))
    body = text[text.index(r"\toprule") : text.index(r"\end{tabular}")]
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
    assert escaped(r"a_b & 5% \x") == r"a\_b \& 5\% \textbackslash{}x"


def test_the_terminal_is_not_steered_by_names(make):
    shown = terminal(aggregate([make("a\x1b[2Jb\u202ec")]))
    assert all(c.isprintable() or c == "\n" for c in shown)


@pytest.mark.parametrize("name", FORMATS)
def test_evil_names_leave_every_format_whole(make, name):
    # As many lines as with a harmless name: none breaks out of its cell.
    texts = [FORMATS[name](aggregate([make(pretext), make("labels")])) for pretext in (EVIL + "\n" + EVIL, "rotation")]
    if name not in ("csv", "json"):
        assert len({text.count("\n") for text in texts}) == 1


def test_the_readme_is_cut_and_says_so(make, tmp_path):
    many = [make(f"p{i:03}", counts=(i % 10, 5)) for i in range(README_ROWS + 5)]
    write_leaderboard(aggregate(many), tmp_path)
    text = (tmp_path / "LEADERBOARD.md").read_text()
    assert sum(line.startswith("| p") for line in text.splitlines()) == README_ROWS
    assert f"The first {README_ROWS} of {README_ROWS + 5} rows" in text
    assert (tmp_path / "leaderboard.csv").read_text().count("\n") == README_ROWS + 6
