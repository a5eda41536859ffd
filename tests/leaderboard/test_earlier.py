"""What an earlier revision of the harness made is shown, marked, and never mixed with what today's makes."""

import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.stated.findings import findings
from benchbench.leaderboard.stated.published import Cell, Finding, Published
from benchbench.leaderboard.stated.reproduction import reproduction
from benchbench.leaderboard.views.effects import effects
from benchbench.revisions import ENGINE_REVISION, harness, is_earlier


def aged(record, **held):
    """The record as an earlier harness would have made it: `held` is what its content says of the harness."""
    content = {name: value for name, value in record.content.items() if name != "harness"}
    key = record.key[::-1]
    return record.model_copy(update={"content": content | ({"harness": held} if held else {}), "key": key})


def test_what_counts_as_earlier():
    assert is_earlier({})
    assert is_earlier({**harness(), "engine": ENGINE_REVISION - 1})
    assert not is_earlier(harness())


def test_earlier_records_have_a_row_of_their_own_without_a_rank(make):
    now = [make("labels", counts=(5, 6)), make("rotation", counts=(4, 5))]
    old = [aged(make("rotation", counts=(10, 10))), aged(make("jigsaw", counts=(9, 9)), **harness() | {"engine": 1})]
    rows = {r["method"]: r for r in aggregate(now + old).rows.to_dict("records")}
    title = "glyphs 5way-1shot"
    assert {name: (r[title].split()[0], r["rank"]) for name, r in rows.items()} == {
        "labels × protonet": ("55.00", "1.00"),
        "rotation × protonet": ("45.00", "2.00"),
        "rotation × protonet (earlier revision)": ("100.00", "–"),
        "jigsaw × protonet (earlier revision)": ("90.00", "–"),
    }
    assert any("in no rank, best mark or effect" in note for note in aggregate(now + old).notes)


def test_a_folder_of_an_earlier_harness_is_ranked_among_its_like(make):
    table = aggregate([aged(make("labels", counts=(5, 6))), aged(make("rotation", counts=(4, 5)))])
    assert list(table.rows["rank"]) == ["1.00", "2.00"]
    assert all("earlier revision" in name for name in table.rows["method"])
    assert any("ranked only among their like" in note for note in table.notes)


def test_seeds_of_two_harnesses_are_not_averaged(make):
    table = aggregate([make(counts=(2, 2), seed=0), aged(make(counts=(8, 8), seed=1))])
    assert list(table.rows["glyphs 5way-1shot"].str.split().str[0]) == ["20.00", "80.00"]


def test_no_effect_rests_on_an_earlier_record(make):
    plain = make(meta="nearest-centroid", regime="joint", counts=(4, 5))
    treated = make(counts=(6, 9))
    both = effects(grid([plain, treated]).counted())
    assert len(both.rows)
    assert not len(effects(grid([aged(plain), treated]).counted()).rows)
    alike = effects(grid([aged(plain), aged(treated)]).counted())
    assert list(alike.rows["effect"]) == list(both.rows["effect"])


def published(name):
    cell = Cell(matrix="test", pretext=name, meta="protonet", protocol="5way-1shot")
    return Published(method=name, protocol="p", published=80.0, source="s", band=[75.0, 85.0], cell=cell)


def test_a_published_number_is_held_against_todays_records_where_there_are_some(make):
    records = [
        make("labels", counts=(8, 8)),
        aged(make("labels", counts=(1, 1))),
        aged(make("rotation", counts=(8, 8))),
    ]
    found = reproduction(records, [published("labels"), published("rotation")]).rows
    assert list(found["verdict"]) == ["within", "within (earlier revision)"]
    assert list(found["ours"]) == ["80.00", "80.00"]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("now", "now", "holds"),
        ("before", "before", "holds (earlier revision)"),
        ("before", "now", "not run"),
        ("before now", "now", "holds"),
        ("before now", "before", "holds (earlier revision)"),
    ],
)
def test_a_finding_is_not_drawn_from_two_harnesses(make, first, second, verdict):
    records = []
    for made, name, count in ((first, "labels", 8), (second, "rotation", 4)):
        now = make(name, counts=(count, count))
        records += [now if when == "now" else aged(now) for when in made.split()]
    a, b = (published(name).cell for name in ("labels", "rotation"))
    stated = Finding(claim="c", source="s", expected=[0.0, 100.0], first=a, second=b)
    assert list(findings(records, [stated]).rows["verdict"]) == [verdict]
