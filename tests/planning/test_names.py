"""Names of a matrix's own, synonyms and spellings, and rules that name them."""

from typing import Any

import pytest

import benchbench
from benchbench import BenchbenchError
from benchbench.planning.matrix import load_matrix, parse_matrix
from benchbench.planning.plan import Plan, plan

AXES = {
    "pretext": ["labels"],
    "meta": ["maml"],
    "backbone": ["conv4"],
    "source": ["glyphs"],
    "target": ["glyphs"],
    "protocol": ["5way-1shot"],
}
SLOW = {"maml-slow": {"of": "maml", "inner_lr": 0.01}}


@pytest.fixture(autouse=True)
def nothing_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))


@pytest.fixture
def prepared(nothing_prepared, shared_cache):
    """For tests that need data."""
    shared_cache()


def content(axes: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    return {"axes": AXES | (axes or {}), "budget": {"samples": 400}, "floors": False, **sections}


def planned(axes: dict[str, Any] | None = None, *, only: dict | None = None, **sections: Any) -> Plan:
    return plan(parse_matrix(content(axes, **sections), "test"), only=only, prepare_data=False)


def keys(found: Plan) -> list[str]:
    return [key for t in found.trainings for key in (t.key, *(c.key for c in t.cells))]


def test_an_instance_is_what_settings_make_of_its_component():
    one = planned({"meta": ["maml-slow"]}, meta=SLOW)
    other = planned(settings={"meta": {"maml": {"inner_lr": 0.01}}})
    renamed = planned({"meta": ["Slow MAML"]}, meta={"Slow MAML": SLOW["maml-slow"]})
    assert keys(one) == keys(other) == keys(renamed)
    assert [f.trainings[0].method.meta for f in (one, other, renamed)] == ["maml"] * 3
    assert [f.trainings[0].names for f in (one, other, renamed)] == [
        {"meta": "maml-slow"}, {}, {"meta": "Slow MAML"},
    ]  # fmt: skip
    assert one.trainings[0].label == "labels × maml-slow (conv4, glyphs, seed 0)"


def test_every_kind_has_instances():
    found = planned(
        {
            "pretext": ["views"], "backbone": ["narrow"], "source": ["small"], "target": ["small"],
            "protocol": ["few episodes"],
        },
        pretext={"views": {"of": "contrastive", "temperature": 0.5}},
        backbone={"narrow": {"of": "conv4", "width": 8}},
        dataset={"small": {"of": "glyphs", "size": 20}},
        protocol={"few episodes": {"of": "5way-1shot", "episodes": 7}},
    )  # fmt: skip
    (training,) = found.trainings
    (cell,) = training.cells
    assert training.stages[0].pretext.settings["temperature"] == 0.5
    assert training.backbone.settings["width"] == 8
    assert training.source.settings["size"] == cell.target.settings["size"] == 20
    assert (cell.component.settings["episodes"], cell.component.settings["ways"]) == (7, 5)
    assert cell.names == {"target": "small", "protocol": "few episodes"}
    assert cell.protocol == "5way-1shot", "it keeps what the preset fixes"


def test_settings_go_from_a_component_to_its_instance_to_rules():
    given = {"meta": {"maml": {"inner_lr": 0.5, "train_steps": 2}, "maml-slow": {"train_steps": 3}}}
    rule = {"meta": "maml-slow", "settings": {"meta": {"maml-slow": {"train_norm": "support"}}}}
    found = planned({"meta": ["maml", "maml-slow"]}, meta=SLOW, settings=given, when=[rule])
    plain, slow = (t.learner.settings for t in found.trainings)
    assert (plain["inner_lr"], plain["train_steps"], plain["train_norm"]) == (0.5, 2, "call")
    assert (slow["inner_lr"], slow["train_steps"], slow["train_norm"]) == (0.01, 3, "support")


@pytest.mark.parametrize("name", ["SimCLR", "simclr", "ProtoCLR", "proto_clr", "benchbench-suite:contrastive"])
def test_names_that_papers_use_are_one_component(name):
    found = planned({"pretext": [name]}, when=[{"pretext": "contrastive", "training": {"lr": 0.01}}])
    assert keys(found) == keys(planned({"pretext": ["contrastive"]}, training={"lr": 0.01}))
    assert found.trainings[0].method.pretext == "contrastive"


def test_two_spellings_are_one_training():
    found = planned({"meta": ["benchbench-suite:protonet", "protonet", "ProtoNet"]})
    assert keys(found) == keys(planned({"meta": ["protonet"]}))


def test_two_names_of_the_same_settings_are_one_training():
    found = planned({"meta": ["maml-slow", "again"]}, meta=SLOW | {"again": SLOW["maml-slow"]})
    assert len(found.trainings) == 1
    ((label, reason),) = found.dropped
    assert "maml × again" in label or "labels × again" in label
    assert "is the same training as labels × maml-slow" in reason


def test_a_second_name_of_a_training_adds_its_cells():
    """One training, scored where both names ask for it: a target left out would be lost without a word."""
    rule = {"meta": "maml", "target": ["digits", "glyphs"]}
    found = planned({"meta": ["mine"]}, meta={"mine": {"of": "maml"}}, include=[rule])
    apart = planned({"target": ["glyphs", "digits"]})
    assert keys(found) == keys(apart)
    assert [cell.label for cell in found.trainings[0].cells] == ["glyphs 5way-1shot", "digits 5way-1shot"]


def test_a_second_name_of_a_target_is_left_out_and_said(prepared):
    """With the data at hand, which tell that it is one."""
    axes = {"source": ["small"], "target": ["small", "little"], "meta": ["protonet"]}
    small = {"of": "glyphs", "size": 20}
    found = plan(parse_matrix(content(axes, dataset={"small": small, "little": small}), "test"))
    assert [cell.label for cell in found.trainings[0].cells] == ["small 5way-1shot"]
    assert found.dropped == [("little 5way-1shot", "is the same as small 5way-1shot")]


def test_a_rule_sets_the_component_of_an_instance_that_it_is_about():
    rule = {"meta": "maml-slow", "settings": {"meta": {"maml": {"train_steps": 4}}}}
    fast = {"maml-fast": {"of": "maml", "inner_lr": 1.0}}
    found = planned({"meta": ["maml-fast", "maml-slow"]}, meta=SLOW | fast, when=[rule])
    assert [(t.names["meta"], t.learner.settings["train_steps"]) for t in found.trainings] == [
        ("maml-fast", 3), ("maml-slow", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["protonet", "benchbench-suite:protonet", "ProtoNet", "prototypical-networks"])
def test_a_rule_matches_however_its_component_is_spelt(name):
    axes = {"meta": ["protonet", "maml"]}
    assert [t.method.meta for t in planned(axes, exclude=[{"meta": name}]).trainings] == ["maml"]
    assert [t.method.meta for t in planned(axes, only={"meta": [name]}).trainings] == ["protonet"]


def test_a_component_means_its_instances_where_it_is_not_on_the_axis_itself():
    fast = {"maml-fast": {"of": "maml", "inner_lr": 1.0}}
    rule = {"meta": "maml", "training": {"lr": 0.5}}
    both = planned({"meta": ["maml-fast", "maml-slow"]}, meta=SLOW | fast, when=[rule])
    assert [t.recipe["training"]["lr"] for t in both.trainings] == [0.5, 0.5]
    one = planned({"meta": ["maml", "maml-slow"]}, meta=SLOW, when=[rule])
    assert [t.recipe["training"]["lr"] for t in one.trainings] == [0.5, 0.001]


@pytest.mark.parametrize(
    ("section", "rule", "message"),
    [
        ("exclude", {"meta": "mamml"}, r"exclude\.0\.meta: 'mamml' is not on axis 'meta'; did you mean 'maml'"),
        ("when", {"target": "glyph", "training": {}}, r"when\.0\.target: 'glyph' .* did you mean 'glyphs'"),
        ("when", {"protocol": "5way1shot"}, r"when\.0\.protocol: '5way1shot' .* did you mean '5way-1shot'"),
        ("exclude", {"meta": "protonet"}, r"exclude\.0\.meta: 'protonet' is not on axis 'meta'"),
        ("exclude", {"meta": ["maml", "protonett"]}, "'protonett' is not on axis"),
        ("include", {"meta": "protonett"}, r"include\.0\.meta: unknown meta 'protonett'; did you mean 'protonet'"),
        ("when", {"regime": "pipeline"}, r"when\.0\.regime: 'pipeline' is not on axis 'regime'"),
        ("when", {"settings": {"meta": {"mamml": {}}}}, r"when\.0\.settings\.meta: unknown meta 'mamml'"),
        ("when", {"settings": {"metta": {"maml": {}}}}, r"when\.0\.settings\.metta: .*; did you mean 'meta'"),
        (
            "when",
            {"settings": {"dataset": {"glyphs": {}}}},
            r"settings\.dataset: .*; expected one of: backbone, meta, pretext",
        ),
        ("when", {"settings": {"meta": {"protonet": {}}}}, "'protonet' is no meta that the rule is about"),
        ("when", {"settings": {"meta": {"maml": {"inner_rl": 1.0}}}}, r"when\.0\.settings: meta maml: unknown setting"),
        ("when", {"episodes": {"wayz": 20}}, r"when\.0\.episodes: unknown key 'wayz'; did you mean 'ways'"),
        ("when", {"training": {"lrr": 1.0}}, r"when\.0\.training: unknown key 'lrr'; did you mean 'lr'"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(section, rule, message):
    with pytest.raises(BenchbenchError, match=message):
        planned(**{section: [rule]})


def test_a_rule_that_only_or_set_leaves_without_a_match_is_not(tmp_path):
    rules = {"exclude": [{"meta": "protonet"}], "when": [{"meta": "protonet", "training": {"lr": 0.5}}]}
    assert planned({"meta": ["maml", "protonet"]}, only={"meta": ["maml"]}, **rules).trainings
    file = tmp_path / "m.toml"
    text = "\n".join(f"{axis} = {names!r}" for axis, names in AXES.items() if axis != "meta")
    file.write_text(
        f'floors = false\n[axes]\nmeta = ["maml", "protonet"]\n{text}\n[budget]\nsamples = 400\n'
        '[[when]]\nmeta = "protonet"\ntraining = {lr = 0.5}\n'
    )
    (training,) = plan(load_matrix(file, {"axes.meta": ["maml"]}), prepare_data=False).trainings
    assert training.method.meta == "maml"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"meta": {"protonet": {"of": "maml"}}}, r"\[meta.protonet\]: 'protonet' is a name of meta"),
        ({"pretext": {"simclr": {"of": "rotation"}}}, "'simclr' is a name of pretext benchbench-suite:contrastive"),
        ({"protocol": {"5way-5shot": {"of": "episodic"}}}, "'5way-5shot' is the name of a preset"),
        ({"meta": {"slow": {"inner_lr": 0.1}}}, "'meta.slow.of' is missing"),
        ({"meta": {"slow": {"of": "mamml"}}}, r"\[meta.slow\]: of: unknown meta 'mamml'; did you mean 'maml'"),
        (
            {"meta": {"slow": {"of": "maml", "inner_rl": 0.1}}},
            r"\[meta.slow\]: meta maml: unknown setting 'inner_rl'; did you mean 'inner_lr'",
        ),
        ({"meta": SLOW | {"b": {"of": "maml-slow"}}}, "of: unknown meta 'maml-slow'; did you mean '(?!maml-slow)"),
        ({"axes": AXES | {"meta": ["ProtoCLR"]}}, r"axes\.meta: .*'ProtoCLR'; it is a name of pretext 'contrastive'"),
        ({"meta": {"a/b": {"of": "maml"}}}, "a name begins with a letter or digit"),
        ({"axes": AXES | {"meta": ["maml-slo"]}, "meta": SLOW}, "unknown meta 'maml-slo'; did you mean 'maml-slow'"),
        ({"axes": AXES | {"pretext": ["simclrr"]}}, r"unknown pretext 'simclrr'; did you mean 'contrastive' \(simclr"),
    ],
)
def test_a_name_that_is_none_or_another_components_is_refused(sections, message):
    with pytest.raises(BenchbenchError, match=message):
        plan(parse_matrix({**content(), **sections}, "test"), prepare_data=False)


def test_an_impossible_cell_is_left_out_with_its_reason(prepared):
    """Glyphs has at least twenty test classes, digits ten."""
    given = content({"meta": ["protonet"], "target": ["glyphs", "digits"], "protocol": ["5way-1shot", "20way-1shot"]})
    found = plan(parse_matrix(given, "test"))
    (training,) = found.trainings
    assert len(training.cells) == 3
    ((label, reason),) = found.dropped
    assert label == "digits 20way-1shot"
    assert "20" in reason
    alone = content({"meta": ["protonet"], "target": ["digits"], "protocol": ["20way-1shot"]}, floors=True)
    with pytest.raises(BenchbenchError, match=r"is empty: .*digits 20way-1shot: "):
        plan(parse_matrix(alone, "test"))


def test_strict_refuses_what_would_be_left_out(command, tmp_path):
    code, _, err = command("run", "--matrix", "quick", "--dry-run", "--strict", "--results", tmp_path / "r")
    assert code == 2
    assert "--strict: 3 parts of the matrix are left out, the first: " in err


def test_a_model_is_scored_on_its_matrix_own_data_and_on_an_instance_of_its_own(prepared):
    model = benchbench.train(
        pretext="labels",
        meta="nearest-centroid",
        source="small",
        samples=64,
        dataset={"small": {"of": "glyphs", "size": 20}},
        protocol={"few": {"of": "episodic", "episodes": 4}},
        settings={"backbone": {"conv4": {"width": 4}}},
    )
    by_name = model.evaluate("small", "few")
    assert by_name.n == 4
    assert by_name == model.evaluate({"of": "glyphs", "size": 20}, {"of": "episodic", "episodes": 4})
    assert by_name == model.evaluate("small", "episodic", episodes=4)
    with pytest.raises(BenchbenchError, match="unknown dataset 'smal'; did you mean 'small'"):
        model.evaluate("smal")
    with pytest.raises(BenchbenchError, match=r"^protocol \S*episodic: unknown setting 'episodess'; did you mean"):
        model.evaluate("small", "few", episodess=4)
    with pytest.raises(BenchbenchError, match="target: expected a name, or settings with the name"):
        model.evaluate({"size": 20})
