"""What a leaderboard of very many records does differently: parts instead of wholes, summaries instead of scores."""

import json
import re

import pandas as pd
import pytest

from benchbench.cli import cmd_leaderboard
from benchbench.leaderboard import aggregate as tables
from benchbench.leaderboard import check
from benchbench.leaderboard import document as documents
from benchbench.leaderboard.page import embedded
from benchbench.leaderboard.views.cost import _front
from benchbench.store.files import RecordReader, Store, read_records


@pytest.fixture
def stored(make, tmp_path):
    """Nine methods of two seeds on two targets, the first the best."""
    store = Store(tmp_path / "runs")
    for method in range(9):
        for seed in (0, 1):
            of = [make(f"p{method}", target=t, seed=seed, counts=(9 - method, 8)) for t in ("glyphs", "digits")]
            store.add(of[0].training_key, of)
    return store.root


def test_files_of_many_records_are_made_of_summaries(command, stored, tmp_path, monkeypatch):
    assert command("leaderboard", stored, "--output", tmp_path / "whole")[0] == 0
    for module in (cmd_leaderboard, check):
        monkeypatch.setattr(module, "LARGE", 35)
    monkeypatch.setattr(embedded, "MOST_RECORDS", 9)
    code, out, _ = command("leaderboard", stored, "--output", tmp_path / "large")
    assert (code, out.count("p0 × protonet")) == (0, 1)
    whole, large = tmp_path / "whole", tmp_path / "large"
    for name in ("leaderboard.csv", "leaderboard.json", "leaderboard.tex"):
        assert (large / name).read_bytes() == (whole / name).read_bytes()
    assert {p.stem for p in (large / "plots").iterdir()} == {"scores"}
    pages = [(folder / "leaderboard.html").read_text("utf-8") for folder in (whole, large)]
    first, cut = (
        json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1]) for page in pages
    )
    assert [row["id"] for row in cut["rows"]] == [row["id"] for row in first["rows"]][:2]
    for ours, theirs in zip(cut["rows"], first["rows"], strict=False):
        assert [r["key"] for r in ours["records"]] == [r["key"] for r in theirs["records"]]
        assert ours["scores"] == theirs["scores"]
    assert "The first 2 of 9 rows: leaderboard.csv has all." in pages[1]
    assert (cut["left"], "left" in first) == (7, False)
    assert "9 methods, 2 columns, 36 records" in pages[1]
    assert "36 records: what compares single episodes" in pages[1]
    assert command("leaderboard", stored, "--output", large, "--check")[0] == 0
    assert "The first 2 of 9" not in pages[0]


def test_a_view_of_many_records_reads_those_that_pass_its_filters(command, stored, monkeypatch):
    asked = ["leaderboard", stored, "--view", "target", "--target", "digits"]
    whole = command(*asked)
    monkeypatch.setattr(cmd_leaderboard, "LARGE", 35)
    read: list[int] = []
    reader = RecordReader.__call__

    def counted(self, wanted):
        found = reader(self, wanted)
        read.append(len(found))
        return found

    monkeypatch.setattr(RecordReader, "__call__", counted)
    assert command(*asked) == whole
    assert read == [18]
    files = sorted((stored / "records").iterdir())
    text = b"".join(path.read_bytes() for path in files)
    for path in files:
        path.unlink()
    (stored / "records" / "all.jsonl").write_bytes(text)
    assert "records left out: of so many" in command(*asked)[2]


def test_some_records_are_read_without_the_others(stored):
    records, read = read_records(stored)[0], RecordReader(stored)
    assert read(records[5:8]) == {r.key: r for r in records[5:8]}
    assert read([records[0].model_copy(update={"training_key": "f" * 64})]) == {}


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 8, 11])
def test_a_frame_made_in_parts_is_the_same(rows, monkeypatch):
    made = [
        {"int": i, "text": None if i % 3 else f"{i}", "flag": bool(i % 2), "none": None}
        | {"float": None if i < 5 else i / 3, "wide": None if i < 6 else 10**17}
        | ({"late": i} if i > 4 else {})
        for i in range(rows)
    ]  # fmt: skip
    whole = tables.numeric(made)
    monkeypatch.setattr(tables, "AT_ONCE", 4)
    pd.testing.assert_frame_equal(tables.numeric(made), whole)


@pytest.mark.parametrize("part", [1, 2, 100])
def test_a_document_made_in_parts_is_plain_json(make, part, monkeypatch):
    table = tables.aggregate([make(), make("jigsaw", counts=None, reason="killed"), make("labels", target="digits")])
    monkeypatch.setattr(documents, "PART", part)
    for some in (table, tables.Table(table.rows[:0], table.numbers[:0])):
        text = documents.document(some)
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n"
        assert len(json.loads(text)["rows"]) == len(some.numbers)


def test_the_front_is_what_no_other_row_beats():
    costs = [(1, 5.0), (1, 5.0), (1, 4.0), (2, 5.0), (2, 6.0), (None, 9.0), (3, 6.0), (4, 7.0), (4, 7.0), (5, 1.0)]
    rows = [{"flops": cost, "accuracy": accuracy} for cost, accuracy in costs]

    def beats(other, row):
        gain, saving = other["accuracy"] - row["accuracy"], row["flops"] - other["flops"]
        return min(gain, saving) >= 0 and max(gain, saving) > 0

    paid = [row for row in rows if row["flops"] is not None]
    front = {i for i, row in enumerate(rows) if row in paid and not any(beats(other, row) for other in paid)}
    assert _front(rows, "flops") == front == {0, 1, 4, 7, 8}
