"""`benchbench leaderboard --check`: committed tables against their records."""

import re

import pytest

from benchbench.leaderboard.check import differences


@pytest.fixture
def published(command, make, save, tmp_path):
    results = save(tmp_path / "published", make(), make((5, 6), target="glyphs"), make((2, 2), pretext="jigsaw"))
    assert command("leaderboard", results, "--output", results)[0] == 0
    return results


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_what_was_rendered_from_the_records_passes(command, published):
    code, out, err = command("leaderboard", published, "--check")
    assert (code, err) == (0, "")
    assert out == f"{published}: every file is the one that the records give\n"


def test_one_number_in_markdown_is_named_with_row_and_column(command, published):
    edit(published / "LEADERBOARD.md", "75.00 ±", "76.00 ±")
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    line = out.splitlines()[0]
    assert line.startswith(f"{published / 'LEADERBOARD.md'}: row 'rotation × protonet, conv4, pseudo', column 'digits ")
    assert re.search(r"committed 76\.00 ± [\d.]+, regenerated 75\.00 ± [\d.]+$", line)
    assert len(out.splitlines()) == 2, "that cell, and what to do"


def test_one_number_in_csv_is_named_with_row_and_column(command, published):
    edit(published / "leaderboard.csv", ",20.0,", ",21.0,")
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    assert re.search(
        r"leaderboard\.csv: row 'jigsaw, protonet, conv4, pseudo.*', column 'digits 5way-1shot': "
        r"committed 21\.0, regenerated 20\.0\n",
        out,
    )


CSV = "method,score\na,1\nb,2\nc,3\n"
MARKDOWN = "# Title\n\n| method | score |\n|--------|-------|\n| a | 1 |\n| b | 2 |\n| c | 3 |\n\n- a note\n"


@pytest.mark.parametrize(
    ("suffix", "new", "old", "messages"),
    [
        (".csv", CSV, CSV.replace("2", "5"), ["row 'b', column 'score': committed 5, regenerated 2"]),
        (".csv", CSV, CSV.replace("b,2\n", ""), ["row 'b' is missing"]),
        (".csv", CSV, CSV + "d,4\n", ["row 'd' is in no record"]),
        (".csv", CSV, "method,score\nb,2\na,1\nc,3\n", ["the rows stand in another order"]),
        (".csv", CSV, CSV.replace("b,2", "b"), ["row 'b', column 'score': committed , regenerated 2"]),
        (".csv", CSV + "a,7\n", CSV + "a,8\n", ["row 'a (2)', column 'score': committed 8, regenerated 7"]),
        (".csv", CSV, CSV.replace("score", "loss"), ["only committed: loss", "only regenerated: score"]),
        (".csv", "method,x,y\n", "method,y,x\n", ["the columns stand in another order"]),
        (".csv", CSV, "", ["only regenerated: method, score"]),
        (".md", MARKDOWN, MARKDOWN.replace("| 2", "| 2.1"), ["row 'b', column 'score': committed 2.1, regenerated 2"]),
        (".md", MARKDOWN, MARKDOWN.replace("a note", "no note"), ["committed - no note", "regenerated - a note"]),
        (".md", MARKDOWN, "# Title\n\n- a note\n", ["0 tables are committed, 1 regenerated"]),
        (".json", '{"rows": [1, {"x": 2}]}', '{"rows": [1, {"x": 3}]}', ["rows.1.x: committed 3, regenerated 2"]),
        (
            ".json",
            '{"a": 1, "b": [1]}',
            '{"b": [1, 2]}',
            ["a: committed nothing", "b: committed [1, 2], regenerated [1]"],
        ),
        (".json", "{}", "{", ["is no JSON"]),
        (".tex", "a\nb\n", "a\nc\n", ["committed c", "regenerated b"]),
        (".svg", "x" * 900, "y" * 900, [r"committed y+ ... \(900 characters\)", "regenerated x+ ..."]),
    ],
)
def test_differences_are_named(suffix, new, old, messages):
    found = list(differences(suffix, old.encode(), new.encode()))
    for message in messages:
        assert any(re.search(message, m) or message in m for m in found), found


def test_every_file_but_plots_is_compared(command, published):
    files = [path for path in published.iterdir() if path.is_file()]
    assert len(files) == 5
    for path in files:
        path.write_bytes(path.read_bytes() + b"\nunderneath\n")
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    assert {line.split(": ")[0] for line in out.splitlines()[:-1]} == {str(path) for path in files}


def test_plots_of_another_matplotlib_are_no_difference(command, published):
    """Nor is a page that holds the same ones; one that holds others is."""
    svg, page = published / "plots" / "scores.svg", published / "leaderboard.html"
    edit(svg, "<svg", "<svg data-drawn='otherwise'")
    for png in published.glob("plots/*.png"):
        png.write_bytes(b"drawn otherwise")
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    assert {line.split(": ")[0] for line in out.splitlines()[:-1]} == {str(page)}
    page.unlink()
    assert command("leaderboard", published, "--check")[0] == 0


def test_tables_alone_are_a_leaderboard(command, published, tmp_path):
    tables = tmp_path / "tables"
    _, _, err = command("leaderboard", published, "--output", tables, "--tables")
    assert {path.name for path in tables.iterdir()} == {"LEADERBOARD.md", "leaderboard.csv"}
    assert err.count("wrote ") == 2
    assert "](plots/" not in (tables / "LEADERBOARD.md").read_text("utf-8"), "there is no plot to be seen"
    assert command("leaderboard", published, "--check", "--output", tables)[0] == 0
    edit(tables / "leaderboard.csv", ",20.0,", ",21.0,")
    assert command("leaderboard", published, "--check", "--output", tables)[0] == 1


def test_missing_and_foreign_files_are_named(command, published):
    (published / "leaderboard.csv").unlink()
    (published / "old.tex").write_text("x")
    (published / "README.md").write_text("for people")
    (published / "logs").mkdir()
    (published / "logs" / "a.log").write_text("x")
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    assert out.splitlines()[:-1] == [
        f"{published / 'leaderboard.csv'}: is missing",
        f"{published / 'old.tex'}: no rendering of these records writes it",
    ]


def test_records_that_cannot_be_read_prove_nothing(command, published):
    (published / "records" / "cut.jsonl").write_text('{"key": ')
    code, out, _ = command("leaderboard", published, "--check")
    assert code == 1
    assert f"{published / 'records' / 'cut.jsonl'}:1: not a whole record" in out


def test_several_folders_and_tables_elsewhere(command, published, make, save, tmp_path):
    other = save(tmp_path / "other", make())
    assert command("leaderboard", other, "--output", tmp_path / "tables")[0] == 0
    assert command("leaderboard", other, "--check", "--output", tmp_path / "tables")[0] == 0
    code, out, _ = command("leaderboard", published, other, "--check")
    assert code == 1
    assert f"{other / 'LEADERBOARD.md'}: is missing" in out
    assert str(published) not in out.replace(str(other), "")


def test_bad_input(command, published, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "there is nothing to check" in command("leaderboard", tmp_path / "empty", "--check")[2]
    assert command("leaderboard", tmp_path / "nowhere", "--check")[0] == 2
    assert "one results folder, got 2" in command("leaderboard", published, published)[2]
    assert command("leaderboard", published, published, "--check", "--output", tmp_path)[0] == 2
    assert "it needs --output" in command("leaderboard", published, "--tables")[2]
    assert command("leaderboard", published, "--tables", "--check", "--output", tmp_path)[0] == 2
