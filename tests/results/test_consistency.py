"""Keys recomputed from a record alone are those that the planner made, for every kind of training."""

from copy import deepcopy

import pytest

from benchbench.data.prepare import prepare
from benchbench.execution.job import Job, fail_job
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.results.consistency import content_faults, key_faults, settings_of
from benchbench.store.files import Store
from benchbench.store.records import differences

MATRIX = {
    "axes": {
        "pretext": ["rotation", "mixture"],
        "meta": ["nearest-centroid", "protonet", "meta-sgd", "inductive"],
        "backbone": ["conv4"],
        "source": ["glyphs"],
        "target": ["digits"],
        "protocol": ["5way-1shot", "5way-5shot"],
        "regime": ["joint", "pseudo", "pipeline", "auxiliary"],
    },
    "meta": {"inductive": {"of": "meta-sgd", "test_norm": "support"}},
    "seeds": [3],
    "budget": {"samples": 400},
    "settings": {"pretext": {"mixture": {"parts": ["rotation", {"name": "jigsaw", "permutations": 8}]}}},
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A record of every cell of the matrix, as a failed job leaves it, but with its target's fingerprint."""
    folder, records = tmp_path_factory.mktemp("planned"), []
    todo = plan(parse_matrix(deepcopy(MATRIX), "test"))
    for training in todo.trainings:
        fail_job(Job(training, training.cells, folder), "not trained", lambda event: None)
        for cell in training.cells:
            record = Store(folder).records(training.key)[cell.key]
            record.content["target"]["fingerprint"] = prepare(cell.target).fingerprint
            records.append(record)
    return records


def test_every_regime_and_the_floors_are_there(planned):
    assert {r.method.regime for r in planned} == {"joint", "pseudo", "pipeline", "auxiliary"}
    assert {r.flags.floor for r in planned} == {True, False}
    assert {r.method.pretext for r in planned} == {"rotation", "mixture", "none"}


def test_recomputed_keys_are_the_planners(planned):
    for record in planned:
        assert content_faults(record) == []
        assert key_faults(record) == ([], [])


def test_what_a_training_had_otherwise_bears_on_scores_alone(planned):
    record = next(r for r in planned if "trained_as" in r.content and r.method.regime == "pseudo")
    assert record.content["trained_as"] == {"test_norm": "call"}
    lied = changed(record, "trained_as", to={"initial_lr": 0.5})
    assert content_faults(lied) == ["content.trained_as: 'initial_lr' is no test setting of benchbench-suite:meta-sgd"]
    left_out = changed(record, "trained_as", to={})
    assert key_faults(left_out)[0] == ["content.stages are not what its settings give with its engine revision"]


def changed(record, *path, to):
    copy = record.model_copy(deep=True)
    place = copy.content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return copy


@pytest.mark.parametrize(
    ("path", "to", "named"),
    [
        (("recipe", "training", "lr"), 0.5, ["training_key", "content.stages"]),
        (("source", "fingerprint"), "other", ["training_key", "content.stages"]),
        (("backbone", "settings", "width"), 128, ["training_key", "content.stages"]),
        (("pretext", "revision"), 9, ["content.stages"]),
        (("learner", "settings", "distance"), "cosine", ["training_key", "content.stages"]),
        (("stages",), ["other"], ["training_key", "content.stages"]),
        (("protocol", "settings", "episodes"), 10_000, ["key"]),
        (("target", "fingerprint"), "other", ["key"]),
    ],
)
def test_settings_that_were_changed_do_not_give_the_keys(planned, path, to, named):
    record = next(r for r in planned if (r.method.pretext, r.method.meta) == ("rotation", "protonet"))
    faults, notes = key_faults(changed(record, *path, to=to))
    assert [fault.split()[0] for fault in faults] == named
    assert notes == []


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        (("source",), {}, "content.source.name: field required"),
        (("learner", "settings"), 3, "content.learner.settings: input should be a valid dictionary"),
        (("pretext", "name"), "rotation", "content.pretext.name: string should match pattern"),
        (("recipe",), {}, "content.recipe.budget: field required"),
        (("recipe", "training"), {"lr": 1}, "content.recipe.training: value error, lacks auxiliary_weight, batch_size"),
        (("seed",), 4, "seed is 3, but its content says 4"),
        (("backbone", "name"), "suite:resnet12", "method.backbone is 'conv4', but its content says 'suite:resnet12'"),
        (("recipe", "selection"), "labelled-valid", "flags.selection is 'last', but its recipe says otherwise"),
        (("stages",), [], "flags.floor says whether nothing was trained"),
    ],
)
def test_a_content_that_contradicts_the_record_is_named(planned, path, to, message):
    record = next(r for r in planned if (r.method.pretext, r.method.meta) == ("rotation", "protonet"))
    faults = content_faults(changed(record, *path, to=to))
    assert any(fault.startswith(message) for fault in faults), faults


def test_settings_are_the_same_for_other_revisions_alone(planned):
    record = next(r for r in planned if r.method.pretext == "mixture" and not r.flags.floor)
    nested = changed(record, "pretext", "settings", "parts", 1, "revision", to=7)
    text, revisions = settings_of(record)
    assert settings_of(nested)[0] == text
    assert settings_of(nested)[1] == revisions | {"pretext.settings.parts.1 benchbench-suite:jigsaw": 7}
    assert settings_of(changed(record, "recipe", "threads", to=2))[0] != text


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ({"meta": "maml"}, "content.names.meta: 'maml' is a name of meta benchbench-suite:maml"),
        ({"pretext": "SimCLR"}, "content.names.pretext: 'SimCLR' is a name of pretext benchbench-suite:contrastive"),
        ({"target": "glyphs"}, "content.names.target: 'glyphs' is a name of dataset benchbench-suite:glyphs"),
        ({"protocol": "20way-1shot"}, "content.names.protocol: '20way-1shot' is the name of a preset"),
        ({"regime": "joint"}, "content.names: 'regime' is no part of this record"),
        ({"meta": "a\nb"}, "content.names.meta: 'a\\nb' is no name"),
    ],
)
def test_a_name_must_not_impersonate_another_component(planned, names, fault):
    record = next(r for r in planned if r.method.meta == "protonet" and r.method.pretext == "rotation")
    forged = record.model_copy(deep=True)
    forged.content["names"] = names
    assert any(found.startswith(fault) for found in content_faults(forged))
    assert key_faults(forged) == ([], []), "a name is in no key"


def test_a_floor_and_no_floor_of_one_key_differ_either_way(planned):
    record = next(r for r in planned if not r.flags.floor)
    floor = record.model_copy(update={"flags": record.flags.model_copy(update={"floor": True})})
    assert {"flags", "source"} <= set(differences(record, floor))
    assert differences(record, floor) == differences(floor, record)


def test_a_name_of_ones_own_is_no_fault_and_no_difference(planned):
    record = planned[0]
    named = record.model_copy(deep=True)
    named.content["names"] = {"meta": "my learner", "target": "my digits"}
    assert content_faults(named) == []
    assert settings_of(named) == settings_of(record)
    assert differences(named, record) == []


TOKENS = {
    "axes": {
        "pretext": ["none", "labels"],
        "meta": ["nearest-centroid"],
        "backbone": ["conv1d"],
        "source": ["motifs"],
        "target": ["motifs"],
        "protocol": ["5way-1shot"],
    },
    "budget": {"samples": 400},
    "settings": {"dataset": {"motifs": {"per_class": 16}}},
}


def test_floors_of_tokens_say_where_their_vocabulary_is_from(tmp_path):
    todo = plan(parse_matrix(deepcopy(TOKENS), "test"))
    held = {}
    for training in todo.trainings:
        fail_job(Job(training, training.cells, tmp_path), "not trained", lambda event: None)
        (record,) = Store(tmp_path).records(training.key).values()
        record.content["target"]["fingerprint"] = prepare(training.cells[0].target).fingerprint
        assert content_faults(record) == []
        assert key_faults(record) == ([], [])
        if record.flags.floor:
            held[record.method.backbone] = record
    assert held["kmers"].content["sample"] == held["onehot"].content["sample"] == {"of": "target"}
    vocabulary = held["conv1d"].content["sample"]["vocabulary"]
    assert vocabulary["source"]["name"].endswith(":motifs")
    assert vocabulary["tokens"] == 6
    (fault,) = content_faults(changed(held["kmers"], "sample", to={"of": "source"}))[:1]
    assert fault.startswith("content.sample")
    assert key_faults(changed(held["conv1d"], "sample", "shape", to=[3]))[0]


def test_a_floor_may_be_planned_beside_a_source_with_a_name_of_its_own(planned):
    floor = next(r for r in planned if r.flags.floor).model_copy(deep=True)
    floor.content["names"] = {"source": "birds"}
    assert content_faults(floor) == []
    floor.content["names"] = {"bird": "x"}
    assert content_faults(floor) == ["content.names: 'bird' is no part of this record"]
