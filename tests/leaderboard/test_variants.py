"""What differs only in settings goes by the settings that differ, in every table."""

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.variants import told_apart


def learner(**settings):
    return {"learner": {"name": "suite:maml", "revision": 3, "settings": {"steps": 5, **settings}}, "recipe": {}}


def test_the_setting_that_differs_is_the_name():
    assert told_apart({"a": learner(inner_lr=0.1), "b": learner(inner_lr=0.01)}) == {
        "a": "inner_lr 0.1",
        "b": "inner_lr 0.01",
    }


def test_one_needs_no_name():
    assert told_apart({"a": learner(inner_lr=0.1)}) == {"a": ""}


def test_a_setting_that_only_one_has():
    assert told_apart({"a": learner(), "b": learner(clip=True)}) == {"a": "without clip", "b": "clip true"}


def test_namesakes_say_whose_they_are():
    contents = {
        key: {"pretext": {"settings": {"lr": rate}}, "recipe": {"training": {"lr": 2 * rate}}}
        for key, rate in (("a", 0.1), ("b", 0.2))
    }
    assert told_apart(contents)["a"] == "pretext lr 0.1, training lr 0.2"


def test_what_follows_from_other_settings_is_not_told_unless_it_is_all():
    data = {key: {"source": {"settings": {"path": key}, "fingerprint": f"f{key}"}} for key in ("birds", "cars")}
    assert told_apart(data) == {"birds": "path birds", "cars": "path cars"}
    versions = {key: {"source": {"settings": {"path": "birds"}, "fingerprint": key}} for key in ("one", "two")}
    assert told_apart(versions) == {"one": "fingerprint one", "two": "fingerprint two"}


def test_no_two_share_a_name():
    long = {key: {"note": "x" * 40 + key} for key in ("a", "b", "c")}
    assert len(set(told_apart(long).values())) == 3
    empty = {"a": {"recipe": {}}, "b": {"recipe": {}, "more": {}}, "c": {"recipe": {"more": {}}}}
    assert len(set(told_apart(empty).values())) == 3


def test_rows_and_columns_of_a_leaderboard(make):
    slow, fast = make(recipe={"training": {"lr": 0.01}}), make(recipe={"training": {"lr": 0.1}})
    assert set(aggregate([slow, fast]).rows["variant"]) == {"lr 0.01", "lr 0.1"}
    birds, cars = make(), make(counts=(1, 1))
    for record, path in ((birds, "birds"), (cars, "cars")):
        record.content["target"] = {"name": "suite:imagefolder", "settings": {"path": path}}
    cars = cars.model_copy(update={"key": "0" * 64})
    assert [c for c in aggregate([birds, cars]).rows if "5way" in c] == [
        "glyphs 5way-1shot [path birds]",
        "glyphs 5way-1shot [path cars]",
    ]
