"""Namesakes are told apart by the settings that differ."""

from benchbench.leaderboard.grid import grid, names
from benchbench.leaderboard.variants import flat, told


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
