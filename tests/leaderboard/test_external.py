"""What others submit moves nothing of ours: no rank, best mark, floor, effect or test, and no text of our rows."""

from itertools import product

import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import tabulated
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.latex import latex
from benchbench.leaderboard.transfer_gaps import transfer_gaps
from benchbench.leaderboard.views import VIEWS, view
from benchbench.store.records import Provenance

PROVENANCE = Provenance(who="A. Nother", contact="https://example.org", when="2026-11-28")
FLOOR = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint", "floor": True}
GOOD = {("rotation", "protonet"): 8, ("jigsaw", "protonet"): 7, ("rotation", "maml"): 6, ("labels", "maml"): 5}
TARGETS = ("digits", "glyphs", "omniglot", "symbols")


def given_to(origin, record, number=0):
    """The record as somebody else's, under a key of its own."""
    return record.model_copy(update={"key": f"{number:064x}", "origin": origin, "provenance": PROVENANCE})


@pytest.fixture(scope="module")
def own(make):
    """Several methods, seeds and sources, the plain adapter, and a floor."""
    found = []
    methods = {**GOOD, ("rotation", "nearest-centroid"): 4, ("jigsaw", "nearest-centroid"): 3}
    for ((pretext, meta), base), source, seed in product(methods.items(), ("glyphs", "symbols"), (0, 1)):
        for number, target in enumerate(TARGETS):
            counts = (base, base + seed, base + (source == target), (base * number) % 10)
            regime = "joint" if meta == "nearest-centroid" else "pseudo"
            found.append(make(pretext, meta, target, counts, seed=seed, source=source, regime=regime))
    return [
        *found,
        *(make(**FLOOR, target=target, counts=(1, 2, 1, 3), seed=seed) for target in TARGETS for seed in (0, 1)),
    ]


@pytest.fixture(scope="module")
def forged(make):
    """What might move somebody's row, by name."""
    zero, full = (0, 0, 0, 0), (10, 10, 10, 10)
    records = {
        "a seed of zero": [make(target=target, counts=zero, seed=7) for target in TARGETS],
        "our own seed": [make(target=target, counts=zero, seed=0) for target in TARGETS],
        "a floor of zero": [make(**FLOOR, target=target, counts=zero, seed=5) for target in TARGETS],
        "a floor above all": [make(**FLOOR, target=target, counts=full, seed=5) for target in TARGETS],
        "a perfect score": [make("cheat", target=target, counts=full) for target in TARGETS],
        "our method, perfect": [make("labels", "maml", target, full, seed=9) for target in TARGETS],
        "another source": [make(source="omniglot", target=target, counts=full) for target in TARGETS],
        "another target": [make(target="mars", counts=full)],
        "other settings": [make(recipe={"lr": 9}, target=target, counts=full) for target in TARGETS],
        "a failure": [make(target="digits", counts=None, seed=8, reason="?")],
        "other episodes": [make("cheat", counts=full).model_copy(update={"episodes_hash": "other"})],
        "another protocol under one name": [
            r.model_copy(update={"content": r.content | {"protocol": {"name": "episodic", "settings": {"ways": 2}}}})
            for r in (make("cheat", target=target, counts=full) for target in TARGETS)
        ],
    }
    number = iter(range(1, 1000))
    return {name: [given_to("external", r, next(number)) for r in held] for name, held in records.items()}


NAMES = [
    "a seed of zero", "our own seed", "a floor of zero", "a floor above all", "a perfect score", "our method, perfect",
    "another source", "another target", "other settings", "a failure", "other episodes",
    "another protocol under one name",
]  # fmt: skip


def chosen(forged, name):
    return [r for held in forged.values() for r in held] if name == "all" else forged[name]


def as_before(before, after):
    """The first rows and the columns of an earlier frame, out of a later one."""
    return after.iloc[: len(before)][list(before.columns)]


def test_every_forgery_is_tried(forged):
    assert list(forged) == NAMES


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_own_rows_are_the_same_text_and_numbers(own, forged, name):
    before, after = tabulated(grid(own)), tabulated(grid(own + chosen(forged, name)))
    assert as_before(before.rows, after.rows).values.tolist() == before.rows.values.tolist()
    assert as_before(before.numbers, after.numbers).astype(str).equals(before.numbers.astype(str))
    others = after.rows.iloc[len(before.rows) :]
    assert len(others)
    assert set(others["rank"]) == set(others["tied rank"]) == {"–"}
    assert all("external)" in method for method in others["method"])
    assert list(after.numbers["external"]) == [False] * len(before.rows) + [True] * len(others)


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_transfer_gaps_and_best_marks_are_the_same(own, forged, name):
    before, after = grid(own), grid(own + chosen(forged, name))
    assert transfer_gaps(after.counted()) == transfer_gaps(before)
    table = tabulated(after)
    columns = list(tabulated(before).rows.columns)
    after_marks, before_marks = (_bold(t, columns) for t in (table, tabulated(before)))
    assert after_marks[: len(before_marks)] == before_marks
    assert not any(any(row) for row in after_marks[len(before_marks) :])


def _bold(table, columns):
    """Which cells of these columns LaTeX marks as best or second, by row."""
    lines = [line.removesuffix(r" \\").split(" & ") for line in latex(table).splitlines() if line.endswith(r" \\")]
    places = [list(table.rows.columns).index(name) for name in columns]
    return [[row[i].startswith((r"\textbf", r"\underline")) for i in places] for row in lines[1:]]


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"overall"}))
def test_views_of_own_rows_are_the_same(own, forged, name):
    """Effects, which, significance, floors and all others leave external rows out and say so."""
    try:
        before = view(name, own)
    except BenchbenchError as error:  # A view that these records cannot fill refuses them either way.
        with pytest.raises(type(error)):
            view(name, own + chosen(forged, "all"))
        return
    after = view(name, own + chosen(forged, "all"))
    assert after.rows.equals(before.rows)
    assert after.numbers.equals(before.numbers)
    assert after.notes[-1].endswith("external rows are left out: --external ranked takes them in.")


def test_external_rows_are_ranked_when_asked(own, forged):
    table = tabulated(grid(own + forged["a perfect score"]), external=True)
    ranks = dict(zip(table.rows["method"], table.rows["rank"], strict=True))
    assert table.rows["method"].iloc[0] == "cheat × protonet (external)"
    assert ranks["cheat × protonet (external)"] == "1.00"
    assert any("ranked like ours, as was asked" in note for note in table.notes)
    assert r"\textbf{100.00" in latex(table)
    assert r"\textbf{100.00" not in latex(tabulated(grid(own + forged["a perfect score"])))


def test_verified_rows_are_rows_of_their_own_marked_and_ranked(own, make):
    found = [make(target=target, counts=(9, 9, 9, 9), seed=7) for target in TARGETS]
    verified = [given_to("verified", r, n) for n, r in enumerate(found, 1)]
    before, table = tabulated(grid(own)), tabulated(grid(own + verified))
    row = table.rows.set_index("method").loc["rotation × protonet (verified)"]
    assert row["rank"] == "1.00"
    assert list(table.numbers["external"]) == [False] * len(table.rows)
    assert len(table.rows) == len(before.rows) + 1
    scores = [name for name in before.rows.columns if name.split()[0] in TARGETS]
    kept = table.rows[table.rows["method"] != "rotation × protonet (verified)"]
    key = ["method", "source"]
    assert kept.sort_values(key)[scores].values.tolist() == before.rows.sort_values(key)[scores].values.tolist()
    assert any(note.startswith("(verified)") for note in table.notes)
