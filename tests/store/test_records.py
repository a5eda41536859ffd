"""Every schema version stays readable: tests/fixtures/records-vN holds a file of each as it was written."""

import json
from pathlib import Path

import pytest

from benchbench.store.files import Store, read_records
from benchbench.store.records import MIGRATIONS, SCHEMA, parse_record

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_each_version_has_a_fixture_and_each_old_one_a_migration():
    assert {p.name for p in FIXTURES.glob("records-v*")} == {f"records-v{n}" for n in range(1, SCHEMA + 1)}
    assert set(MIGRATIONS) == set(range(1, SCHEMA))


@pytest.mark.parametrize("version", range(1, SCHEMA + 1))
def test_every_version_is_read(version):
    folder = FIXTURES / f"records-v{version}"
    written = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    records, problems = read_records(folder)
    assert not problems
    assert {w["schema_version"] for w in written} == {version}
    assert {r.key for r in records} == {w["key"] for w in written}
    assert {r.status for r in records} == {"ok", "failed"}
    for r in records:
        old = next(w for w in written if w["key"] == r.key)
        assert r.schema_version == SCHEMA
        assert r.origin == old.get("origin", "external" if old.get("external") else "own")
        assert {n: m.values for n, m in r.scores.items()} == {n: m["values"] for n, m in old["scores"].items()}
        assert r.content == old["content"]


def test_what_is_rewritten_is_of_the_newest_version(tmp_path):
    records, _ = read_records(FIXTURES / "records-v1")
    store = Store(tmp_path)
    store.add(records[0].training_key, records[:1])
    line = json.loads(store.record_file(records[0].training_key).read_text())
    assert (line["schema_version"], line["origin"]) == (SCHEMA, "own")
    assert store.records(records[0].training_key) == {records[0].key: records[0]}


def labels(change: dict, **flags: str) -> tuple[str, str]:
    """What training and selection read of a record of schema 2, by the flags of the same record today."""
    line = json.loads(next((FIXTURES / "records-v2").glob("a*.jsonl")).read_text().splitlines()[0])
    line["flags"] |= {"labels": "source", "selection": "last", **flags}
    line["method"] |= {"regime": change.pop("regime", "pseudo")}
    line["content"] |= change
    read = parse_record(json.dumps(line)).flags
    return read.labels, read.selection_labels


def component(name: str, **settings: object) -> dict:
    return {"name": name, "revision": 1, "settings": settings}


def test_labels_of_training_and_of_selection_are_told_apart_in_older_records():
    rotation, ours = component("benchbench-suite:rotation"), component("benchbench-suite:labels")
    search = {"tuned": [{"criterion": "labelled-valid"}]}
    assert labels({"pretext": rotation}, labels="none") == ("none", "none")
    assert labels({"pretext": ours}) == ("source", "none")
    assert labels({"pretext": rotation, **search}) == ("none", "source")
    assert labels({"pretext": rotation}, selection="labelled-valid") == ("none", "source")
    assert labels({"pretext": ours, **search}) == ("source", "source")
    assert labels({"pretext": rotation, "regime": "pipeline", **search}) == ("source", "source")
    mixed = component("benchbench-suite:mixture", parts=[rotation | {"kind": "pretext"}, ours | {"kind": "pretext"}])
    assert labels({"pretext": mixed, **search}) == ("source", "source")
    # What another distribution's pretext reads nobody can say without it.
    assert labels({"pretext": component("theirs:rotation"), **search}) == ("source", "source")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": SCHEMA + 1}, f"schema version {SCHEMA + 1} is unknown: this benchbench-suite reads 1 to"),
        ({"schema_version": "new"}, "schema version 'new' is unknown"),
        ({"score": 1}, "score: extra inputs are not permitted"),
        ({"seed": "many", "status": "good"}, "status: input should be 'ok' or 'failed'; seed: input should be"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    line = next((FIXTURES / "records-v1").glob("*.jsonl")).read_text().splitlines()[0]
    with pytest.raises(ValueError, match="(?i)" + message.replace("(", r"\(")):
        parse_record(json.dumps(json.loads(line) | change))


@pytest.mark.parametrize("line", ["[]", "3", "{", ""])
def test_what_is_no_object_is_refused(line):
    with pytest.raises(ValueError, match=r"JSON object|Expecting"):
        parse_record(line)
