"""The index of a store's records saves time and decides nothing."""

import json
import os
from pathlib import Path

import pytest

import benchbench
from benchbench.store import briefs
from benchbench.store.briefs import Brief, read_briefs, remember, seconds_of
from benchbench.store.files import atomic_write
from benchbench.store.records import Method

RECORD = Path(__file__).parents[1] / "fixtures" / "records-v2" / "e42e1ec1de831322.jsonl"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """Three files of a record each, last changed a minute ago, of which even one is worth an index."""
    monkeypatch.setattr(briefs, "FEW", 0)
    for name in "abc":
        write(tmp_path, name, "ok")
    return tmp_path


def write(store: Path, name: str, status: str, **changes: object) -> None:
    """Replace a file of records as the store does."""
    content = json.loads(RECORD.read_text().splitlines()[0])
    content |= {"key": name * 64, "training_key": name * 64, "status": status, **changes}
    path = store / "records" / f"{name * 16}.jsonl"
    atomic_write(path, json.dumps(content).encode() + b"\n")
    then = path.stat().st_mtime - 60
    os.utime(path, (then, then))


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of the files whose lines were read, as they are read."""
    names: list[str] = []
    real = briefs.decoded_lines

    def noting(file, decode):
        names.append(Path(file).name[0])
        return real(file, decode)

    monkeypatch.setattr(briefs, "decoded_lines", noting)
    return names


def states(store: Path) -> dict[str, str]:
    found, problems = read_briefs(store)
    assert not problems
    return {r.key[0]: r.status for r in found}


def test_a_file_is_read_once_until_it_is_replaced(store, read):
    assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert sorted(read) == ["a", "b", "c"]
    assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert len(read) == 3
    # As large as the other, and of the same time.
    path = store / "records" / f"{'b' * 16}.jsonl"
    about = path.stat()
    write(store, "b", "no")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_size == about.st_size
    assert states(store) == {"a": "ok", "b": "no", "c": "ok"}
    assert read[3:] == ["b"]
    path.unlink()
    write(store, "d", "failed", reason="why")
    assert states(store) == {"a": "ok", "c": "ok", "d": "failed"}
    assert read[4:] == ["d"]


def test_what_was_just_written_is_not_trusted(store, read):
    os.utime(store / "records" / f"{'a' * 16}.jsonl")
    for _ in range(2):
        assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert sorted(read) == ["a", "a", "b", "c"]


def test_what_a_run_noted_is_not_read_again(store, read):
    for name in "ab":
        remember(store, store / "records" / f"{name * 16}.jsonl")
    recent = next((store / "index").iterdir())
    recent.write_bytes(recent.read_bytes() + b"[[1, 2")
    read.clear()
    assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert read == ["c"]
    assert [p.name for p in (store / "index").iterdir()] == ["records.msgpack"]
    assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert read == ["c"]


def test_the_last_note_of_a_file_counts(store):
    path = store / "records" / f"{'b' * 16}.jsonl"
    about = path.stat()
    remember(store, path)
    path.write_bytes(path.read_bytes().replace(b'"status": "ok"', b'"status": "no"'))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    remember(store, path)
    assert states(store) == {"a": "ok", "b": "no", "c": "ok"}


def test_a_run_notes_what_it_wrote(matrix, read, tmp_path):
    benchbench.run(matrix, tmp_path / "store", seeds=[0], executor="inline")
    assert len(read) == 5
    read.clear()
    assert len(read_briefs(tmp_path / "store")[0]) == 10
    assert read == []


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x82\xa7version\x00\xa5files\x90"])
def test_an_index_that_is_none_is_made_anew(store, read, content):
    states(store)
    (store / "index" / "records.msgpack").write_bytes(content)
    for _ in range(2):
        assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}
    assert len(read) == 6


def test_a_line_that_is_no_record_is_named_every_time(store):
    broken = store / "records" / f"{'b' * 16}.jsonl"
    broken.write_bytes(broken.read_bytes()[:-100])
    for _ in range(2):
        found, problems = read_briefs(store)
        assert [r.key[0] for r in found] == ["a", "c"]
        assert [p[: len(f"{broken}:1: not a whole record")] for p in problems] == [f"{broken}:1: not a whole record"]


def test_of_two_records_of_a_key_the_whole_one_counts_from_the_index_too(store):
    twin = json.loads((store / "records" / f"{'a' * 16}.jsonl").read_text())
    for name, status in (("0", "failed"), ("z", "failed")):
        atomic_write(store / "records" / f"{name}.jsonl", json.dumps(twin | {"status": status}).encode())
    for _ in range(2):
        assert states(store) == {"a": "ok", "b": "ok", "c": "ok"}


def test_a_store_of_few_records_has_no_index(store, monkeypatch):
    monkeypatch.setattr(briefs, "FEW", 3)
    states(store)
    assert not (store / "index").exists()


def test_a_training_took_what_it_and_its_evaluations_took():
    kind = Method("labels", "protonet", "mlp", "pseudo")
    cells = [Brief(f"{i}", "t", "ok", kind, "glyphs", 10.0, i) for i in (1.0, 2.0)]
    assert seconds_of([*cells, Brief("3", "t", "failed", kind, "glyphs"), Brief("4", "u", "failed", kind, "g")]) == {
        "t": 13.0
    }
