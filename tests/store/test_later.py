"""Lines of a later schema version: not read, never lost."""

import json
from pathlib import Path

import pytest

from benchbench.store.files import Store, read_records
from benchbench.store.records import Record


@pytest.fixture
def held(results) -> tuple[Record, Path, bytes]:
    """A record, its file, and the later line that the file holds besides."""
    record = next(r for r in read_records(results)[0] if r.status == "ok")
    path = Store(results).record_file(record.training_key)
    line = json.dumps({"new": [1.0], "schema_version": 99, "key": record.key}).encode()
    path.write_bytes(path.read_bytes() + line + b"\n")
    return record, path, line


def test_adding_a_record_keeps_it(results, held):
    record, path, line = held
    Store(results).add(record.training_key, [record.model_copy(update={"key": "f" * 64})])
    lines = path.read_bytes().splitlines()
    assert (len(lines), lines[-1]) == (3, line)


@pytest.mark.parametrize("arguments", ["gc {0}", "results prune {0}", "results merge {0} --into {0}/into"])
def test_what_may_lose_it_refuses(command, results, held, arguments):
    _, path, line = held
    checkpoint = Store(results).checkpoint("a" * 64, "final")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    before = path.read_bytes()
    code, _, err = command(*(a.format(results) for a in arguments.split(" ")))
    assert code == 2
    assert "error: " in err
    assert f"{path}:2" in err
    assert line in path.read_bytes()
    assert path.read_bytes() == before
    assert checkpoint.exists()
    assert not (results / "into").exists()
