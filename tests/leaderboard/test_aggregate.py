import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.render import FORMATS, terminal
from benchbench.leaderboard.views import Filters, view

COLUMN = "glyphs 5way-1shot"


def cell(table, row=0, column=COLUMN):
    return table.rows.loc[row, column]


def test_one_seed_has_the_interval_over_episodes(make):
    table = aggregate([make(counts=(5, 10))])
    # Standard deviation 25 points over two episodes.
    assert cell(table) == f"75.00 ± {1.96 * 25 / math.sqrt(2):.2f}"
    assert "over test episodes of one training" in table.notes[0]
    assert "Student" not in table.notes[0]


def test_several_seeds_have_student_s_interval_over_seeds(make):
    table = aggregate([make(counts=c, seed=s) for s, c in enumerate([(4, 4), (5, 5), (6, 9)])])
    means = [40.0, 50.0, 75.0]
    mean = sum(means) / 3
    spread = math.sqrt(sum((m - mean) ** 2 for m in means) / 2 / 3)
    # 4.302653: the 97.5% quantile of Student's t with two degrees of freedom, from tables.
    assert cell(table) == f"{mean:.2f} ± {4.302653 * spread:.2f}"
    assert "over 3 training seeds (Student's t)" in table.notes[0]
    assert "episodes of one" not in table.notes[0]


def test_seeds_that_agree_exactly_have_the_interval_over_episodes_and_a_mark(make):
    table = aggregate([make(seed=s) for s in range(3)])
    # As for one seed: standard deviation 25 points over two episodes.
    assert cell(table) == f"75.00 ± {1.96 * 25 / math.sqrt(2):.2f}‡"
    assert any(note.startswith("‡: every seed scores exactly the same") for note in table.notes)
    assert "Student" not in table.notes[0]
    assert not any(note.startswith("‡") for note in aggregate([make()]).notes)
    numbers = table.numbers.iloc[0]
    assert (numbers[f"{COLUMN} over"], numbers[f"{COLUMN} seed se"], numbers[f"{COLUMN} seeds"]) == ("episodes", 0, 3)


def test_the_note_names_both_kinds_of_interval_where_both_are_there(make):
    table = aggregate([make(), make(counts=(5, 9), seed=1), make(meta="maml")])
    assert "over 2 training seeds (Student's t); in rows of a single seed, over test episodes" in table.notes[0]


def test_ranks_average_over_columns_and_share_ties(make):
    good, tied, also = (
        [make(p, target="glyphs", counts=g), make(p, target="digits", counts=d)]
        for p, g, d in (("rotation", (9, 9), (2, 2)), ("jigsaw", (5, 5), (7, 7)), ("labels", (5, 5), (8, 8)))
    )
    table = aggregate([*good, *tied, *also])
    ranks = dict(zip(table.rows["method"], table.rows["rank"], strict=True))
    assert ranks == {"labels × protonet": "1.75", "rotation × protonet": "2.00", "jigsaw × protonet": "2.25"}
    assert list(ranks) == ["labels × protonet", "rotation × protonet", "jigsaw × protonet"]


def test_equal_ranks_are_ordered_by_name(make):
    table = aggregate([make("rotation"), make("jigsaw"), make("labels")])
    assert list(table.rows["method"]) == ["jigsaw × protonet", "labels × protonet", "rotation × protonet"]


def test_missing_and_failed_cells_are_shown_and_left_out_of_ranks(make):
    records = [make("rotation"), make("rotation", target="digits"), make("jigsaw", counts=(9, 9))]
    records += [make("labels", counts=None, reason="loss is nan\nat step 3\x1b[31m")]
    table = aggregate(records)
    rows = table.rows.set_index("method")
    assert rows.loc["jigsaw × protonet", "digits 5way-1shot"] == "–"
    assert rows.loc["jigsaw × protonet", "rank"] == "1.00*"
    assert rows.loc["rotation × protonet", "rank"] == "1.50"
    failed = rows.loc["labels × protonet"]
    assert (failed[COLUMN], failed["rank"], failed["labels"], failed["parameters"]) == ("failed", "–", "–", "–")
    assert table.rows["method"].iloc[-1] == "labels × protonet"
    assert "Failed: labels × protonet (conv4): loss is nan at step 3 [31m" in table.notes


def test_a_failed_seed_is_marked(make):
    table = aggregate([make(), make(seed=1, counts=None, reason="killed")])
    assert cell(table).endswith("†")
    assert any(n.startswith("†") for n in table.notes)


def test_floors_are_marked_and_stand_once_for_all_sources(make):
    floor = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint", "floor": True}
    table = aggregate([make(), make(source="symbols"), make(**floor), make(**floor, target="digits", source="symbols")])
    row = table.rows.set_index("method").loc["none × nearest-centroid (floor)"]
    assert (row["source"], row["regime"]) == ("–", "–")
    assert "–" not in (row[COLUMN], row["digits 5way-1shot"])
    assert sorted(table.rows["source"]) == ["glyphs", "symbols", "–"]


def test_marks_and_costs(make):
    rows = aggregate([make("labels", "maml"), make()]).rows.set_index("method")
    assert list(rows.loc["labels × maml", ["labels", "transductive"]]) == ["source", "yes"]
    shown = rows.loc["rotation × protonet", ["parameters", "samples", "train s", "labels", "transductive"]]
    assert list(shown) == ["112,000", "60,000", "41", "none", "no"]


def test_one_method_with_other_settings_is_another_row(make):
    table = aggregate([make(recipe={"lr": 1}), make(recipe={"lr": 2}, counts=(1, 1)), make("jigsaw")])
    assert len(table.rows) == 3
    variants = set(table.rows.loc[table.rows["method"] == "rotation × protonet", "variant"])
    assert len(variants) == 2
    assert any(n.startswith("variant") for n in table.notes)
    assert "variant" not in aggregate([make()]).rows


def test_mixed_torch_versions_and_devices_are_announced(make):
    other = make(seed=1, environment={"torch": "2.10.0", "device": "NVIDIA H200"})
    notes = aggregate([make(), other]).notes
    assert "Mixed torch versions: 2.10.0, 2.9.0." in notes
    assert "Mixed kinds of device: NVIDIA H200, cpu." in notes
    assert not any("Mixed" in n for n in aggregate([make()]).notes)


def test_other_test_episodes_are_announced(make):
    records = [
        make().model_copy(update={"episodes_hash": "a"}),
        make("jigsaw").model_copy(update={"episodes_hash": "b"}),
    ]
    assert f"{COLUMN}: not every row was scored on the same test episodes." in aggregate(records).notes
    assert not any("not every row" in n for n in aggregate(records[:1]).notes)


def test_what_source_and_target_share_is_announced(make):
    record, other = make(source="cub", target="birds"), make(source="cub")
    shared = {"classes": ["Blue Jay", "Ovenbird"], "images": 3}
    record.content["overlap"] = shared
    said = "Trained on cub, scored on birds: training and test share 2 classes by name (Blue Jay, Ovenbird) and 3 "
    assert f"{said}identical images." in aggregate([record, other]).notes
    # It belongs to a cell, not to the settings that tell methods apart.
    assert len(aggregate([record, other]).rows) == 1
    assert not any(n.startswith("Trained on") for n in aggregate([other]).notes)


def test_targets_that_folders_divide_are_announced(make):
    record, other = make(target="mine").model_copy(update={"protocol": "linear-probe"}), make(target="theirs")
    for r in (record, other):
        r.content["target"] = {"name": r.target, "settings": {}, "division": "samples"}
    other.content["protocol"] = {"name": "episodic", "settings": {"ways": 5, "shots": 1}}
    (said,) = [n for n in aggregate([record, other]).notes if "as the user divided them" in n]
    assert "mine linear-probe: fitted on the images of the folder train" in said
    assert "theirs" not in said
    assert not any("as the user divided them" in n for n in aggregate([make()]).notes)


def test_further_columns_come_from_hooks(make):
    table = aggregate([make()], lambda records: {"cells": str(len(records))})
    assert cell(table, column="cells") == "1"


def test_nothing_gives_an_empty_table():
    table = aggregate([])
    assert len(table.rows) == 0
    assert terminal(table)


@pytest.fixture(scope="module")
def many(make):
    records = [
        make(p, m, t, (i % 7 + 1, j % 5 + 2, s + 1), seed=s)
        for i, p in enumerate(["rotation", "jigsaw", "labels"])
        for j, m in enumerate(["protonet", "maml"])
        for t in ("glyphs", "digits")
        for s in range(3)
    ]
    return [*records, make("mixture", counts=None, reason="b"), make("mixture", seed=1, counts=None, reason="a")]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_neither_order_nor_duplicates_of_records_change_anything(many, data):
    order = data.draw(st.permutations(range(len(many))))
    again = data.draw(st.lists(st.sampled_from(range(len(many))), max_size=5))
    first, second = aggregate(many), aggregate([many[i].model_copy() for i in (*order, *again)])
    for render in FORMATS.values():
        assert render(first) == render(second)


def test_a_row_says_whether_its_encoder_began_with_random_weights(make):
    def of(backbone, began=None, **settings):
        made = make(backbone=backbone)
        about = {"backbone": {"name": backbone, "settings": settings}} | ({"pretrained_on": began} if began else {})
        return made.model_copy(update={"content": made.content | about})

    plain = aggregate([of("conv4", width=64)])
    assert "weights" not in plain.rows.columns
    assert not any("weights" in note for note in plain.notes)
    digest = "0123456789abcdef" * 4
    found = aggregate(
        [
            of("conv4", width=64),
            of("fresh", sha256=None),
            of("loaded", f"sha256:{digest}", sha256=digest),
            of("theirs", "photographs"),
        ]
    )
    shown = dict(zip(found.rows["backbone"], found.rows["weights"], strict=True))
    assert shown == {"conv4": "–", "fresh": "random", "loaded": "sha256:0123456789abcdef…", "theirs": "photographs"}
    assert f"sha256:{digest}" in found.numbers["weights"].tolist()
    assert any(note.startswith("weights: ") for note in found.notes)


def test_a_row_says_whether_its_weights_have_seen_labels(make):
    def of(name, labels, read="none"):
        made = make(backbone=name)
        content = (
            made.content | {"pretrained_on": "photographs"} | ({} if labels is None else {"pretrained_labels": labels})
        )
        flags = made.flags.model_copy(update={"labels": read})
        return made.model_copy(update={"content": content, "flags": flags})

    records = [of("dino", False), of("tuned", True, "source"), of("unknown", None)]
    assert not any(note.startswith("labels weights: ") for note in aggregate(records).notes)
    records.append(of("lite0", True))
    found = aggregate(records)
    rows = {b: (w, y) for b, w, y in found.rows[["backbone", "weights", "labels"]].itertuples(index=False)}
    assert rows == {
        "dino": ("photographs, no labels", "none"),
        "tuned": ("photographs, labels", "source"),
        "unknown": ("photographs", "none"),
        "lite0": ("photographs, labels", "weights"),
    }
    assert sum(note.startswith("labels weights: ") for note in found.notes) == 1
    for wanted, left in (("none", {"dino", "unknown"}), ("weights", {"lite0"}), ("source", {"tuned"})):
        assert set(view("overall", records, Filters(labels=wanted)).rows["backbone"]) == left


def test_the_notes_tell_the_rows_that_were_searched_from_those_that_took_over_what_was_found(make):
    def method(pretext):
        return f"{pretext} × protonet (conv4, glyphs, pseudo)"

    def searched(record, **trials):
        tuned = [
            {"criterion": "labelled-valid", "trials": n, "sampler": "tpe", "method": method(on), "space": {}}
            for on, n in trials.items()
        ]
        return record.model_copy(update={"content": record.content | {"tuned": tuned}})

    records = [
        make("rotation"),
        searched(make("jigsaw"), jigsaw=8),
        searched(make("labels"), jigsaw=8),
        searched(make("contrastive"), contrastive=20, elsewhere=8),
    ]
    notes = aggregate(records).notes
    assert "Settings were searched in 8 trials by labelled-valid for: jigsaw × protonet." in notes
    assert "Settings were searched in 20 trials by labelled-valid for: contrastive × protonet." in notes
    borrowed = "Not searched, but with settings that the search on {} found: {} × protonet."
    assert borrowed.format(method("jigsaw"), "labels") in notes
    assert borrowed.format(method("elsewhere"), "contrastive") in notes
    assert not any("earched" in note.replace("a declared search", "") for note in aggregate(records[:1]).notes)
