"""Two ways from a record to a cell, one through the record and one past it, must agree."""

import re

import pytest
from msgspec.structs import replace

from benchbench.keys import canonical, content_key
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.cells import cells_of, read_cells
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.render import FORMATS
from benchbench.store.files import Store, read_records


@pytest.fixture
def store(make, tmp_path):
    floor = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint", "floor": True}
    records = [
        make(),
        make(seed=1, counts=(2, 2)),
        make("jigsaw", target="digits", environment={"torch": "2.8.0", "device": "cpu", "further": {"a": [1]}}),
        make("labels", counts=None, reason="killed"),
        make("labels", recipe={"lr": 0.1, "name": "ä × \u2028"}, seed=3),
        make(**floor),
    ]
    store = Store(tmp_path)
    for r in records:
        store.add(r.training_key, [r])
    return store


def test_cells_of_lines_are_those_of_records(store):
    fast, problems = read_cells(store.root)
    whole, _ = read_records(store.root)
    assert not problems
    # By their text: the NaN of the failed cell is not equal to itself.
    assert [repr(c) for c in fast] == [repr(replace(c, record=None)) for c in cells_of(whole)[0]]
    for render in FORMATS.values():
        assert render(aggregate(fast)) == render(aggregate(whole))


def test_older_schemas_and_loose_json_are_read_as_records_are(store, make):
    old = make("mixture").model_dump(mode="json")
    del old["origin"], old["provenance"], old["flags"]["selection_labels"]
    loose = canonical({**old, "schema_version": 1}).replace(":", ": ")
    (store.root / "records" / "old.jsonl").write_text(loose + "\n")
    fast, problems = read_cells(store.root)
    assert not problems
    assert [repr(c) for c in fast] == [repr(replace(c, record=None)) for c in cells_of(read_records(store.root)[0])[0]]


def test_lines_that_are_no_record_are_reported_alike(store, make):
    bad = [b'{"key": ', b"[1]", b"\xff", canonical({"key": "x", "schema_version": 2}).encode()]
    (store.root / "records" / "bad.jsonl").write_bytes(b"\n".join(bad))
    _, fast = read_cells(store.root)
    _, whole = read_records(store.root)
    assert fast == whole
    assert len(fast) == len(bad)


def test_conflicting_records_are_reported_and_one_stays_whatever_the_order(make, tmp_path):
    a, b = make(counts=(5, 10)), make(counts=(1, 1))
    assert a.key == b.key
    for name, (first, second) in {"ab": (a, b), "ba": (b, a)}.items():
        folder = tmp_path / name / "records"
        folder.mkdir(parents=True)
        (folder / "1.jsonl").write_text(first.model_dump_json() + "\n")
        (folder / "2.jsonl").write_text(second.model_dump_json() + "\n")
    tables = []
    for read in (read_cells, read_records):
        for name in ("ab", "ba"):
            found, problems = read(tmp_path / name)
            assert len(found) == 1
            assert len(problems) == 1
            assert "differ in scores, summary" in problems[0]
            tables.append(FORMATS["csv"](aggregate(found)))
    assert len(set(tables)) == 1
    straight, back = aggregate([a, b]), aggregate([b, a, a])
    assert straight.notes == back.notes
    assert FORMATS["csv"](straight) == FORMATS["csv"](back) == tables[0]
    assert any(n.startswith(f"Two records of cell {a.key[:16]} differ") for n in straight.notes)


def test_every_conflict_among_many_files_names_both_places(make, tmp_path):
    first, second = (make(seed=s, counts=(5, 10)) for s in (1, 2))
    others = [r.model_copy(update={"summary": make(counts=(1, 1)).summary}) for r in (first, second)]
    files = [[make(seed=3)], [first], [make(seed=4), others[0]], [second], [make(seed=5), others[1]], [first]]
    for i, records in enumerate(files):
        (tmp_path / f"{i}.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in records))
    for read in (read_cells, read_records):
        found, problems = read(tmp_path)
        assert len(found) == 5
        places = [re.findall(r"(\d)\.jsonl:(\d)", problem) for problem in problems]
        # What of the first two was kept meets the last file.
        assert places[:2] == [[("2", "2"), ("1", "1")], [("4", "2"), ("3", "1")]]
        assert {p[0] for p in places[2:]} <= {("5", "1")}


def test_a_failure_gives_way_to_a_score_and_timing_is_no_conflict(make):
    failed = make(counts=None, reason="killed").model_copy(update={"key": make().key})
    slower = make().model_copy(update={"timing": {"train_seconds": 99.0}})
    for records in ([failed, make()], [make(), failed], [make(), slower]):
        cells, conflicts = cells_of(records)
        assert not conflicts
        assert cells[0].ok


def test_seeds_with_other_settings_are_not_averaged(make):
    found = grid([make(seed=0, recipe={"lr": 1}), make(seed=1, recipe={"lr": 2}), make(seed=2, recipe={"lr": 1})])
    assert sorted(s["glyphs 5way-1shot"].seeds for s in found.scores.values()) == [1, 2]


def test_a_floor_that_only_repeats_for_another_source_counts_once(make):
    floor = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint", "floor": True}
    records = [make(source=s) for s in ("glyphs", "symbols")] + [make(**floor, source=s) for s in ("glyphs", "symbols")]
    records = [r.model_copy(update={"content": {**r.content, "source": {"name": r.source}}}) for r in records]
    found = grid(records)
    assert [(row.source, row.variant) for row in found.cells if row.pretext == "none"] == [("", "")]


def test_settings_have_the_key_that_their_content_has(make):
    r = make(recipe={"lr": 0.1, "text": "ä"})
    (cell,), _ = cells_of([r])
    assert cell.settings == content_key({"recipe": r.content["recipe"]})[:6]
    assert cell.place == content_key({"target": r.content["target"], "protocol": r.content["protocol"]})[:6]
