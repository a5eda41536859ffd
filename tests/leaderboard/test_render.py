import io

import pandas as pd

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.render import csv, markdown, write_leaderboard

EVIL = "<script>alert('x')</script> | **a**"


def test_names_are_escaped_in_markdown(make):
    table = aggregate([make(EVIL), make("labels", counts=None, reason=EVIL)], lambda _: {EVIL: EVIL})
    text = markdown(table)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "**" not in text


def test_csv_holds_numbers(make):
    records = [make(), make(target="digits", counts=(2, 4)), make("labels", counts=None, reason="?")]
    frame = pd.read_csv(io.StringIO(csv(aggregate(records)))).set_index("pretext")
    row = frame.loc["rotation"]
    assert (row["glyphs 5way-1shot"], row["digits 5way-1shot"]) == (75.0, 30.0)
    assert (row["glyphs 5way-1shot seeds"], row["glyphs 5way-1shot status"], row["parameters"]) == (1, "ok", 112_000)
    states = frame.loc["labels", ["glyphs 5way-1shot status", "digits 5way-1shot status"]]
    assert list(states) == ["failed", "missing"]
    assert pd.isna(frame.loc["labels", "glyphs 5way-1shot"])


def test_files_are_written_whole_and_the_same_again(make, tmp_path):
    folder = tmp_path / "a folder" / "below"
    paths = write_leaderboard(aggregate([make()]), folder)
    names = ["LEADERBOARD.md", "leaderboard.csv", "leaderboard.json", "leaderboard.tex", "leaderboard.html"]
    assert [p.name for p in paths if p.parent == folder] == names
    first = [p.read_bytes() for p in paths]
    assert [p.read_bytes() for p in write_leaderboard(aggregate([make()]), folder)] == first
    assert {p for p in folder.rglob("*") if p.is_file()} == set(paths)
