"""`benchbench results add`, on a record that was really trained, and on forgeries of it."""

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from benchbench.store.files import read_records
from benchbench.store.records import Metric, Summary

PROVENANCE = {"who": "A. Nother", "contact": "https://example.org/a-nother", "when": "2026-11-28"}
WHO = ("--who", "A. Nother", "--contact", "https://example.org/a-nother")


@pytest.fixture
def offer(genuine, tmp_path):
    """Write changed copies of the genuine record into a file: (fields of each copy) -> path."""

    def write(*changes: dict) -> Path:
        path = tmp_path / "offered.jsonl"
        whole = genuine.model_dump(mode="json") | {"provenance": PROVENANCE}
        lines = [json.dumps(whole | change) for change in changes]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


def test_what_passes_is_added_and_marked_external(command, trained, tmp_path, genuine):
    results = tmp_path / "results"
    given = ("results", "add", trained / "records", "--results", results, *WHO)
    assert command(*given) == (0, f"added 1 records to {results}\n", "")
    (held,) = read_records(results)[0]
    assert (held.provenance.who, held.provenance.contact) == (WHO[1], WHO[3])
    assert date.fromisoformat(held.provenance.when) <= datetime.now(UTC).date()
    assert held.model_copy(update={"origin": "own", "provenance": None}) == genuine
    assert held.origin == "external"
    assert "external" in command("results", "list", results)[1]
    before = next((results / "records").iterdir()).read_bytes()
    code, out, err = command("results", "add", trained, "--results", results, *WHO)
    assert (code, out) == (0, f"added 0 records to {results}\n")
    assert f"{results} holds it already" in err
    assert next((results / "records").iterdir()).read_bytes() == before


def test_an_old_schema_version_is_accepted(command, genuine, tmp_path):
    old = genuine.model_dump(mode="json") | {"schema_version": 1}
    del old["origin"], old["provenance"], old["flags"]["selection_labels"]
    (tmp_path / "old.jsonl").write_text(json.dumps(old))
    assert command("results", "add", tmp_path / "old.jsonl", "--results", tmp_path / "results", *WHO)[0] == 0
    assert read_records(tmp_path / "results")[0][0].origin == "external"


def test_nobody_submits_without_a_name(command, trained, tmp_path):
    add = ("results", "add", trained / "records", "--results", tmp_path / "results")
    code, _, err = command(*add)
    assert code == 1
    assert "it does not say who submits it: --who and --contact say so" in err
    assert command(*add, "--who", "A. Nother")[::2] == (2, "error: results add: --who and --contact belong together\n")
    assert command(*add, "--who", "x" * 300, "--contact", "y")[0] == 2
    assert not (tmp_path / "results").exists()


def better(record):
    metric = Metric(values=[75] * len(record.scores["accuracy"].values), denominator=75)
    return {"scores": {"accuracy": metric.model_dump()}, "summary": {"accuracy": Summary.of(metric).model_dump()}}


def fewer(record):
    metric = Metric(values=record.scores["accuracy"].values[:4], denominator=75)
    return {"scores": {"accuracy": metric.model_dump()}, "summary": {"accuracy": Summary.of(metric).model_dump()}}


def settings(record, name, **change):
    part = record.content[name]
    return {"content": record.content | {name: part | {"settings": part["settings"] | change}}}


FORGERIES = {
    "scores above the counts": (
        lambda r: {"scores": {"accuracy": {"values": [80] * 8, "denominator": 75, "unit": "episode"}}},
        "scores.accuracy holds 80: expected counts of 0 to 75",
    ),
    "fewer episodes": (fewer, "scores.accuracy has 4 values, its protocol gives 8"),
    "summary": (lambda r: {"summary": {"accuracy": {"mean": 0.9, "ci95": 0, "n": 8}}}, "summary.accuracy.mean is 0.9"),
    "other settings": (lambda r: settings(r, "backbone", width=64), "is not what its settings give"),
    "other protocol": (lambda r: settings(r, "protocol", shots=5), "key "),
    "key": (lambda r: {"key": "0" * 64}, "key 000000000000 is not what its settings give"),
    "other episodes": (lambda r: {"episodes_hash": "0" * 64}, "episodes_hash is not that of its target's fixed"),
    "hidden labels": (lambda r: {"flags": r.flags.model_dump() | {"labels": "none"}}, "flags.labels is not 'source'"),
    "another method": (lambda r: {"method": asdict(replace(r.method, pretext="rotation"))}, "method.pretext is"),
    "no record": (lambda r: {"scored": 1}, "scored: extra inputs are not permitted"),
    "future schema": (lambda r: {"schema_version": 99}, "schema version 99 is unknown"),
}


@pytest.mark.parametrize(("forge", "reason"), FORGERIES.values(), ids=FORGERIES)
def test_forgeries_are_refused_with_the_reason_and_nothing_is_written(command, offer, genuine, tmp_path, forge, reason):
    path = offer({}, forge(genuine))
    code, out, err = command("results", "add", path, "--results", tmp_path / "results")
    assert (code, out) == (1, "")
    refused = [line for line in err.splitlines() if line.startswith(f"refused: {path}:2: ")]
    assert any(reason in line for line in refused), err
    assert f"refused: {path}:1" not in err, "the genuine one beside it has no fault"
    assert not (tmp_path / "results").exists()


def test_all_reasons_are_given(command, offer, genuine, tmp_path):
    path = offer({"key": "0" * 64, "episodes_hash": "0" * 64, "seed": 5}, {"seed": "?"})
    (tmp_path / "more.jsonl").write_text("{\n")
    code, _, err = command("results", "add", path, tmp_path / "more.jsonl", "--results", tmp_path / "results")
    assert code == 1
    assert f"{path}:1: seed is 5, but its content says 0" in err
    assert f"{path}:2: seed: input should be a valid integer" in err
    assert f"{tmp_path / 'more.jsonl'}:1: " in err


def test_one_key_has_one_outcome(command, offer, genuine, trained, tmp_path):
    path = offer({}, better(genuine))
    _, _, err = command("results", "add", path, "--results", tmp_path / "results")
    assert f"refused: {path}:2: {path}:1 holds a record of the same key and another scores, summary" in err
    code, _, err = command("results", "add", offer(better(genuine)), "--results", trained)
    assert code == 1
    assert f"{trained} holds a record of the same key and another scores, summary" in err


def test_records_of_a_plugin_that_is_not_installed_are_checked_as_far_as_they_go(command, genuine, tmp_path):
    """Its keys follow from what it says; what only the plugin could say is noted."""
    from benchbench.planning.identity import cell_key, training_key
    from benchbench.results.consistency import stage_keys

    record = genuine.model_copy(deep=True)
    record.content["pretext"] = {"name": "other-suite:cubism", "revision": 2, "settings": {"faces": 6}}
    record = record.model_copy(update={"method": replace(record.method, pretext="cubism")})
    record.content["stages"] = stage_keys(record)
    record = record.model_copy(update={"training_key": training_key(record.content)})
    fingerprint, protocol = record.content["target"]["fingerprint"], record.content["protocol"]
    record = record.model_copy(update={"key": cell_key(record.training_key, fingerprint, protocol, record.content)})
    record.environment["distributions"] = {"benchbench-suite": "0.0.1", "other-suite": "3.1"}
    (tmp_path / "other.jsonl").write_text(record.model_dump_json() + "\n")
    code, out, err = command("results", "add", tmp_path / "other.jsonl", "--results", tmp_path / "results", *WHO)
    assert (code, out) == (0, f"added 1 records to {tmp_path / 'results'}\n"), err
    assert "flags.labels not recomputed: unknown pretext 'other-suite:cubism'" in err
    assert "note: plugin other-suite 3.1 is not installed" in err
    assert "note: plugin benchbench-suite was version 0.0.1, installed is " in err


def test_paths_without_records(command, tmp_path):
    (tmp_path / "empty").mkdir()
    assert command("results", "add", tmp_path / "nowhere", "--results", tmp_path / "r")[0] == 2
    code, _, err = command("results", "add", tmp_path / "empty", "--results", tmp_path / "r")
    assert code == 2
    assert err == f"error: no records at {tmp_path / 'empty'}: expected a .jsonl file, or a folder of such files\n"
    assert command("results", "add", tmp_path / "empty")[0] == 2
