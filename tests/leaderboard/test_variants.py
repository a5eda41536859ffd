"""Namesakes are told apart by the settings that differ, and what differs in nothing has one name."""

import pytest

from benchbench.leaderboard.cells import meant
from benchbench.leaderboard.grid import grid, names
from benchbench.leaderboard.notes import notes
from benchbench.leaderboard.variants import flat, told
from benchbench.leaderboard.views import Filters, filtered


def test_only_the_settings_that_differ_are_named():
    one = {"learner": {"name": "s:maml", "revision": 1, "settings": {"inner_lr": 0.1, "steps": 5}}}
    two = {"learner": {"name": "s:maml", "revision": 1, "settings": {"inner_lr": 0.01, "steps": 5}}}
    assert told({"a": flat(one), "b": flat(two)}) == {"a": "inner_lr 0.1", "b": "inner_lr 0.01"}


def test_a_name_that_two_parts_share_says_whose_it_is():
    one = {"pretext": {"revision": 1}, "learner": {"revision": 1, "settings": {"steps": 1}}, "recipe": {"steps": 3}}
    two = {"pretext": {"revision": 2}, "learner": {"revision": 1, "settings": {"steps": 2}}, "recipe": {"steps": 4}}
    assert told({"a": flat(one), "b": flat(two)}) == {
        "a": "meta steps 1, pretext revision 1, steps 3",
        "b": "meta steps 2, pretext revision 2, steps 4",
    }


def test_what_only_one_has_and_what_is_no_text():
    one, two = {"recipe": {"grey": True, "shape": [1, 28]}}, {"recipe": {"shape": None}}
    assert told({"a": flat(one), "b": flat(two)}) == {"a": "grey true, shape [1,28]", "b": "no grey, shape null"}


def test_a_content_s_order_is_no_difference():
    assert list(flat({"b": {"y": 1, "x": 2}, "a": 3})) == list(flat({"a": 3, "b": {"x": 2, "y": 1}}))


def test_a_search_is_said_in_a_few_words():
    searched = {"tuned": [{"trials": 30, "criterion": "labelled-valid", "method": "x", "best": 0.5}]}
    assert told({"a": flat(searched), "b": flat({})}) == {"a": "search 30 trials by labelled-valid", "b": "no search"}


def test_checksums_are_never_shown():
    data = [{"source": {"settings": {"path": p}, "fingerprint": c * 64}} for p, c in (("x", "a"), ("y", "b"))]
    assert told({"1": flat(data[0]), "2": flat(data[1])}) == {"1": "path x", "2": "path y"}
    alike = [{"source": {"settings": {"path": "x"}, "fingerprint": c * 64}} for c in "ab"]
    assert told({"1": flat(alike[0]), "2": flat(alike[1])}) == {"1": "number 1", "2": "number 2"}


def test_a_value_from_a_stranger_stays_on_one_line_and_short():
    texts = told({"a": flat({"recipe": {"x": "evil\n\x1b[31m" + "y" * 500}}), "b": flat({"recipe": {"x": "z"}})})
    assert "\n" not in texts["a"]
    assert "\x1b" not in texts["a"]
    assert len(texts["a"]) < 80


def test_rows_and_columns_say_what_differs(make):
    two = grid([make(recipe={"lr": 1}), make(recipe={"lr": 2}), make("jigsaw")])
    assert sorted(names(two).values()) == [
        "jigsaw × protonet",
        "rotation × protonet (lr 1)",
        "rotation × protonet (lr 2)",
    ]


def test_names_of_a_matrix_are_the_names_of_rows_and_columns(make):
    record = make()
    record.content["names"] = {"meta": "my learner", "target": "my digits", "protocol": "mine", "source": "my glyphs"}
    found = grid([record])
    assert list(names(found).values()) == ["rotation × my learner"]
    assert found.columns == ["my digits mine"]


def named(record, **own):
    record.content["names"] = own
    return record


def outside(record):
    return record.model_copy(update={"origin": "external", "key": record.key[::-1]})


def test_a_name_that_changed_splits_neither_seeds_nor_columns(make):
    """Accuracies 0.5 and 0.7 of two seeds: one row, whose interval is over both."""
    first = named(make(counts=(5, 5)), meta="slow", target="mine")
    second = named(make(counts=(7, 7), seed=1), meta="snail", target="yours")
    for records in ([first, second], [second, first]):
        found = grid(records)
        (row,) = found.members
        assert (row.label, found.columns) == ("rotation × slow", ["mine 5way-1shot"])
        score = found.scores[row]["mine 5way-1shot"]
        assert (round(score.mean, 9), score.seeds) == (60, 2)


def test_a_name_of_ones_own_goes_before_the_component_s(make):
    found = grid([make(), named(make(seed=1), meta="zebra")])
    assert list(names(found).values()) == ["rotation × zebra"]


def test_names_of_other_settings_stay_apart(make):
    slow, fast = named(make(recipe={"lr": 1}), meta="slow"), named(make(recipe={"lr": 2}), meta="fast")
    assert sorted(names(grid([slow, fast])).values()) == ["rotation × fast", "rotation × slow"]


def test_a_third_party_names_nothing_of_ours(make):
    found = grid([make(seed=0), outside(named(make(seed=1), meta="best ever", target="hard"))])
    assert {row.label for row in found.members} == {"rotation × protonet"}
    assert found.columns == ["glyphs 5way-1shot"]


def test_a_name_that_two_components_had_is_two_rows(make):
    one = named(make(meta="maml"), meta="mine")
    two = named(make(meta="protonet", target="digits"), meta="mine")
    for record in (one, two):
        record.content["learner"] = {"name": f"s:{record.method.meta}", "revision": 1, "settings": {}}
    assert sorted(names(grid([one, two])).values()) == [
        "rotation × mine (meta name s:maml)",
        "rotation × mine (meta name s:protonet)",
    ]


@pytest.mark.parametrize("wanted", ["contrastive", "benchbench-suite:contrastive", "SimCLR"])
def test_a_component_s_name_means_its_instances_in_every_spelling(wanted):
    known = [("cool", "contrastive"), ("rotation", "rotation")]
    assert meant("pretext", wanted, known) == {("cool", "contrastive")}
    assert meant("pretext", wanted, [*known, (wanted, "contrastive")]) == {(wanted, "contrastive")}, "the one so called"
    assert meant("pretext", "nothing", known) == set()


def test_filters_take_names_of_ones_own_and_of_components(make):
    cats, dogs = named(make(target="imagefolder"), target="cats"), make(target="digits")
    cats.content["target"]["settings"] = {"path": "cats"}
    for wanted in ("cats", "imagefolder", "benchbench-suite:imagefolder"):
        assert filtered([cats, dogs], Filters(target=wanted)).columns == ["cats 5way-1shot"]


def test_a_search_under_an_earlier_name_is_no_other_method_s(make):
    search = {"trials": 3, "criterion": "labelled-valid", "method": "rotation × slow (conv4, glyphs, pseudo)"}
    first, second = named(make(), meta="slow"), named(make(seed=1), meta="quick")
    for record in (first, second):
        record.content["tuned"] = [search]
    found = grid([first, second])
    texts = " ".join(notes(found, found))
    assert "Settings were searched in 3 trials by labelled-valid for: rotation × quick." in texts
    assert "Not searched" not in texts
