"""Text, tables, names and paths that people write and find."""

import os
from pathlib import Path

import pytest

from benchbench import BenchbenchError, load_records, located, read_table, read_text
from benchbench.planning.toml import read_toml
from benchbench.store.lines import lines_of
from benchbench.userfiles import check_file_name, portable

BOM = b"\xef\xbb\xbf"


def test_text_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for mark in (b"", BOM):
        (tmp_path / "x").write_bytes(mark + "b\u00e4r\n\ufeff".encode())
        assert read_text(tmp_path / "x") == "b\u00e4r\n\ufeff"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ok\nb\xe4r", r"x: line 2: expected UTF-8 text, got another encoding \(byte 0xe4\): save it as UTF-8"),
        ("b\u00e4r".encode("utf-16"), "x: line 1: expected UTF-8 text, got UTF-16"),
    ],
)
def test_another_encoding(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(data)
    for read in (read_text, read_toml, lambda path: read_table(path, ["a"])):
        with pytest.raises(BenchbenchError, match=message):
            read(tmp_path / "x")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BenchbenchError, match="none: cannot be read: No such file"):
        read_text(tmp_path / "none")


def test_a_matrix_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(BOM + b'name = "x"\r\n')
    assert read_toml(tmp_path / "m.toml") == {"name": "x"}


def test_records_with_a_byte_order_mark(tmp_path: Path) -> None:
    known = next(iter(sorted((Path(__file__).parents[2] / "results" / "quick" / "records").glob("*.jsonl"))))
    lines = known.read_bytes().splitlines(keepends=True)[:2]
    (tmp_path / "theirs.jsonl").write_bytes(BOM + b"".join(lines))
    assert len(load_records(tmp_path / "theirs.jsonl")) == len(lines)
    assert [line for _, line in lines_of(tmp_path / "theirs.jsonl")] == [line.rstrip(b"\n") for line in lines]


def test_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(BOM + b'class_name, file\r\n"a, b",1.png\r\nc,2.png\r\n')
    assert read_table(tmp_path / "t.csv", ["file", ("label", "class_name")]) == [
        {"class_name": "a, b", "file": "1.png", "label": "a, b"},
        {"class_name": "c", "file": "2.png", "label": "c"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'file'"),
        ("fiel,label\n", "has no column 'file'; did you mean 'fiel'"),
        ("file,file\n1,2\n", "has two columns 'file'"),
        ("file,label\n1.png,a\n,b\n", "line 3 has no value for 'file'"),
        ("label,file\na\n", "line 2 has no value for 'file'"),
        ('file\n"a"b\n', "line 2: expected a CSV file"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BenchbenchError, match=rf"t\.csv: {message}"):
        read_table(tmp_path / "t.csv", ["file"])


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/data")
    expected = {
        "birds": ("/root/birds", "birds"),
        "mine/birds": ("/root/mine/birds", "mine/birds"),
        "/a/birds/": ("/a/birds", "birds"),
        "~/birds": ("/home/me/birds", "birds"),
        "$DATA/birds": ("/data/birds", "birds"),
    }
    for path, (place, recorded) in expected.items():
        assert located(path, Path("/root")) == Path(place)
        assert portable(path) == recorded


def test_a_file_name_that_is_not_utf8() -> None:
    check_file_name("b\u00e4r", "here")
    with pytest.raises(BenchbenchError, match=r"^here: the name of x/.* is not UTF-8: rename it$"):
        check_file_name(os.fsdecode(b"x/\xe4"), "here")
