"""Rules match components however they are spelt, and one that matches nothing is a mistake."""

import pytest

from benchbench import BenchbenchError
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan


def content(**more):
    return {
        "name": "spelt",
        "floors": False,
        "axes": {
            "pretext": ["labels", "rotation"],
            "meta": ["protonet", "nearest-centroid"],
            "backbone": ["conv4"],
            "source": ["glyphs"],
            "target": ["digits"],
            "protocol": ["5way-1shot"],
        },
        "budget": {"samples": 100},
    } | more


def methods(matrix):
    return {t.method.label for t in plan(matrix).trainings}


@pytest.mark.parametrize("spelt", ["rotation", "benchbench-suite:rotation", ["benchbench-suite:rotation"]])
def test_an_exclude_matches_either_spelling(spelt):
    assert methods(parse_matrix(content(exclude=[{"pretext": spelt}]), "m")) == {
        "labels × protonet",
        "labels × nearest-centroid",
    }


def test_an_axis_in_full_is_met_by_rules_that_are_not():
    given = content(when=[{"meta": "protonet", "episodes": {"ways": 20}}])
    given["axes"]["meta"] = ["benchbench-suite:protonet"]
    found = plan(parse_matrix(given, "m")).trainings
    assert {t.recipe["episodes"]["ways"] for t in found} == {20}
    bare = content(when=[{"meta": "protonet", "episodes": {"ways": 20}}])
    keys = {t.key for t in plan(parse_matrix(bare, "m")).trainings}
    assert {t.key for t in found} < keys, "the spelling is no part of a key"


def test_two_spellings_of_one_component_are_refused():
    given = content()
    given["axes"]["target"] = ["digits", "benchbench-suite:digits"]
    with pytest.raises(BenchbenchError, match="'digits' and 'benchbench-suite:digits' are one component"):
        parse_matrix(given, "m")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"exclude": [{"source": "glyfs"}]}, r"m: exclude.0: no source 'glyfs' on the axes .*did you mean 'glyphs'"),
        ({"when": [{"target": ["digits", "digts"], "episodes": {}}]}, r"when.0: no target 'digts' .*'digits'"),
        ({"when": [{"protocol": "5way-1shots", "training": {}}]}, r"no protocol '5way-1shots' .*'5way-1shot'"),
        ({"exclude": [{"meta": "maml"}]}, r"no meta 'maml' on the axes of this matrix"),
        ({"when": [{"meta": "protonet", "training": {"learning_rate": 1.0}}]}, r"unknown key 'learning_rate'"),
        ({"when": [{"meta": "protonet", "training": {"shedule": "cosine"}}]}, r"did you mean 'schedule'"),
    ],
)
def test_a_rule_that_names_nothing_is_a_mistake(rules, message):
    with pytest.raises(BenchbenchError, match=message):
        parse_matrix(content(**rules), "m")


def test_a_rule_that_an_override_leaves_without_a_match_is_not():
    rules = {"exclude": [{"pretext": "rotation"}], "when": [{"meta": "nearest-centroid", "training": {"lr": 0.1}}]}
    narrowed = {"axes.pretext": ["labels"], "axes.meta": ["protonet"]}
    assert methods(parse_matrix(content(**rules), "m", narrowed)) == {"labels × protonet"}
    found = plan(parse_matrix(content(**rules), "m"), only={"meta": ["protonet"]})
    assert {t.method.label for t in found.trainings} == {"labels × protonet"}


def test_rules_may_name_floors_and_what_includes_add():
    rules = {
        "exclude": [{"pretext": "none"}],
        "include": [{"meta": "maml"}],
        "when": [{"meta": "maml", "episodes": {"ways": 5}}],
    }
    assert "labels × maml" in methods(parse_matrix(content(**rules), "m"))


def test_what_data_cannot_fill_is_left_out_with_its_reason():
    given = content()
    given["axes"] |= {"target": ["digits", "glyphs"], "protocol": ["5way-1shot", "20way-1shot"]}
    found = plan(parse_matrix(given, "m"))
    assert found.impossible == [
        (
            "digits 20way-1shot",
            "dataset digits (test): 20-way episodes need 20 classes, but it has 10",
        )
    ]
    scored = {(c.target.bare, c.protocol) for t in found.trainings for c in t.cells}
    assert scored == {("digits", "5way-1shot"), ("glyphs", "5way-1shot"), ("glyphs", "20way-1shot")}
    with pytest.raises(BenchbenchError, match=r"digits 20way-1shot: .*need 20 classes"):
        plan(parse_matrix(given, "m"), strict=True)


def test_a_training_that_its_source_cannot_fill_is_left_out_too():
    given = content(when=[{"meta": "protonet", "pretext": "labels", "episodes": {"ways": 1000, "queries": 1000}}])
    found = plan(parse_matrix(given, "m"))
    assert {t.method.label for t in found.trainings} == {
        "labels × nearest-centroid",
        "rotation × protonet",
        "rotation × nearest-centroid",
    }
    ((label, reason),) = found.impossible
    assert label.startswith("labels × protonet")
    assert "1000-way episodes need" in reason or "images a class" in reason


def test_where_nothing_is_left_the_reason_is_told():
    given = content()
    given["axes"]["protocol"] = ["20way-1shot"]
    with pytest.raises(BenchbenchError, match=r"is empty.*20-way episodes need 20 classes"):
        plan(parse_matrix(given, "m"))
