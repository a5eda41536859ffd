"""A search of a whole matrix: training settings, one method after the other, seeds, and what a matrix says of it."""

import tomllib

import pytest
import tomli_w

from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError, TrainingFailed
from benchbench.execution import job
from benchbench.execution.recording import scored
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.planning.tuned import Range
from benchbench.results.audit import matrix_of
from benchbench.results.consistency import content_faults, key_faults
from benchbench.tuning import search as searching
from benchbench.tuning.fragment import fragment
from benchbench.tuning.search import search
from benchbench.tuning.space import places
from tests.tuning.small import content, declaration, what, whole


def planned(text):
    return plan(parse_matrix(tomllib.loads(text), "test")).trainings


def test_a_training_and_its_episodes_can_be_tuned(store, monkeypatch):
    def judge(training, *_):
        return -abs(training.recipe["training"]["lr"] - 0.01) + (training.recipe["episodes"]["ways"] == 5)

    monkeypatch.setattr(searching, "_score", judge)
    rate = Range(low=0.001, high=0.1, log=True)
    space = {"training": {"lr": rate, "optimiser": ["sgd"]}, "episodes": {"ways": [3, 5]}}
    own = '[[when]]\nmeta = "maml"\ntraining = { lr = 0.5, weight_decay = 0.25 }\n'
    found, declared = search(what(space, **tomllib.loads(own)), store, trials=20)
    assert abs(found["training", "lr"] - 0.01) < 0.005, "what is tried stands above the matrix's own rules"
    assert (found["training", "optimiser"], found["episodes", "ways"]) == ("sgd", 5)
    (training,) = planned(tomli_w.dumps(content()) + own + fragment(found, declared))
    held = training.recipe["training"]
    assert (held["lr"], held["optimiser"], held["weight_decay"]) == (found["training", "lr"], "sgd", 0.25)
    assert training.content["tuned"][0]["space"]["episodes"] == {"ways": [3, 5]}


def test_a_pretext_that_reads_labels_is_judged_by_them(store):
    one = what({"training": {"lr": [0.01]}}, axes={**content()["axes"], "pretext": ["labels"]})
    found, declared = search(one, store, trials=1)
    assert found == {("training", "lr"): 0.01}
    assert 0 < declared.best <= 1
    # Four episodes of ten queries: the mean is a number of fortieths.
    assert declared.best * 40 == pytest.approx(round(declared.best * 40))


def test_an_unlabelled_loss_compares_rates(store):
    axes = {**content()["axes"], "pretext": ["contrastive"], "meta": ["nearest-centroid"]}
    # A rate that trains nothing, and one that does.
    one = what({"training": {"lr": [1e-9, 1e-2]}}, "pretext-valid", axes=axes, budget={"samples": 2_560})
    tried = {}
    found, declared = search(
        one, store, trials=4, report=lambda _, chosen, score: tried.update({chosen["training", "lr"]: score})
    )
    assert tried.keys() == {1e-9, 1e-2}
    assert tried[1e-2] > tried[1e-9], "training lowers the loss"
    assert (found, declared.best) == ({("training", "lr"): 1e-2}, tried[1e-2])


def test_every_method_is_searched_in_turn(store, monkeypatch):
    asked = []

    def judge(training, *_):
        asked.append((training.method.meta, training.seed))
        return -training.recipe["training"]["lr"]

    monkeypatch.setattr(searching, "_score", judge)
    axes = {**content()["axes"], "meta": ["maml", "protonet", "nearest-centroid"]}
    space = {
        "training": {"lr": [0.1, 0.2], "batch_size": [8, 16]},
        "meta": {"maml": {"inner_lr": [0.3, 0.4]}, "protonet": {"distance": ["cosine", "euclidean"]}},
    }
    methods = whole(space, axes=axes, floors=True).methods()
    assert [(one.where["meta"], one.where["regime"], list(places(one.space))) for one in methods] == [
        ("maml", "pseudo", [("meta", "maml", "inner_lr"), ("training", "lr")]),
        ("protonet", "pseudo", [("meta", "protonet", "distance"), ("training", "lr")]),
        # Batches are drawn for plain objectives alone.
        ("nearest-centroid", "joint", [("training", "batch_size"), ("training", "lr")]),
    ]
    found = [search(one, store, trials=3) for one in methods]
    (seed,) = methods[0].seeds
    assert asked == [(one.where["meta"], seed) for one in methods for _ in range(3)]
    (alone,) = whole(space, axes=axes, only={"meta": ["protonet"]}).methods()
    assert search(alone, store, trials=3) == found[1], "one alone is the same search"
    assert len(asked) == 9

    text = tomli_w.dumps(content(axes=axes, seeds=[0, 1])) + "\n".join(fragment(*each) for each in found)
    trainings = planned(text)
    assert len(trainings) == 6
    for training in trainings:
        chosen, declared = found[axes["meta"].index(training.method.meta)]
        held = training.recipe["training"]
        assert held["lr"] == chosen["training", "lr"]
        assert held["batch_size"] == chosen.get(("training", "batch_size"), 64)
        assert training.content["tuned"] == [declared.content()]


def test_settings_belong_to_what_they_were_found_for(store, monkeypatch):
    """One learner has other settings with each pretext and source."""
    best = {("rotation", "glyphs"): 0.2, ("contrastive", "glyphs"): 0.4, ("rotation", "symbols"): 0.4}

    def judge(training, *_):
        rate = training.content["learner"]["settings"]["inner_lr"]
        return -abs(rate - best.get((training.method.pretext, training.source_name), 0.2))

    monkeypatch.setattr(searching, "_score", judge)
    axes = {**content()["axes"], "pretext": ["rotation", "contrastive"], "source": ["glyphs", "symbols"]}
    space = {"meta": {"maml": {"inner_lr": [0.2, 0.4]}}, "pretext": {"contrastive": {"temperature": [0.5]}}}
    found = [search(one, store, trials=8) for one in whole(space, axes=axes).methods()]
    trainings = planned(tomli_w.dumps(content(axes=axes)) + "".join(fragment(*each) for each in found))
    rates = {(t.method.pretext, t.source_name): t.content["learner"]["settings"]["inner_lr"] for t in trainings}
    assert rates == {**best, ("contrastive", "symbols"): 0.2}
    assert [len(t.content["tuned"]) for t in trainings] == [1] * 4, "each declares its own search alone"
    views = [t.content["pretext"]["settings"] for t in trainings if t.method.pretext == "contrastive"]
    assert [settings["temperature"] for settings in views] == [0.5, 0.5]


def test_seeds_of_a_search_are_its_own(store, judged):
    one = what(seeds=[0, 1], repeats=3)
    assert len(set(one.seeds)) == 3
    assert [t.seed for t in one.trainings({})] == one.seeds
    assert what(seed=1).seeds != what().seeds
    # Where the matrix reports the first of them, the search takes the next ones.
    assert what(seeds=[one.seeds[0], 1], repeats=2).seeds == one.seeds[1:]
    _, declared = search(one, store, trials=1)
    assert declared.seeds == one.seeds
    assert len(judged) == 3


def test_a_seed_that_chose_is_not_reported():
    tuned = [declaration(seeds=[7, 8])]
    assert plan(parse_matrix(content(tuned=tuned, seeds=[6, 9]), "test"), prepare_data=False).trainings
    with pytest.raises(BenchbenchError, match="the search of m chose by seed 8, which may not be reported too"):
        plan(parse_matrix(content(tuned=tuned, seeds=[0, 8]), "test"), prepare_data=False)
    # It does not concern methods that use nothing of it.
    axes = {**content()["axes"], "meta": ["protonet"]}
    assert plan(parse_matrix(content(tuned=tuned, seeds=[0, 8], axes=axes), "test"), prepare_data=False).trainings


def test_a_record_of_a_seed_that_chose_is_a_fault():
    tuned = [declaration(seeds=[7]), declaration(seeds=[7], space={"training": {"lr": [0.001]}})]
    training = plan(parse_matrix(content(tuned=tuned), "test")).trainings[0]
    data = prepare(training.source)
    trained, stages = job.train(training, data, None, "cpu", lambda _: None)
    record = scored(training, training.cells[0], trained, stages, data, "cpu")
    assert (content_faults(record), key_faults(record)) == ([], ([], []))
    assert plan(matrix_of(record)).trainings[0].key == training.key
    forged = [{**record.content["tuned"][0], "seeds": [7, 0]}]
    faults = content_faults(record.model_copy(update={"content": {**record.content, "tuned": forged}}))
    assert faults == ["seed 0 chose its settings too: a search's own seeds may not be reported"]


def test_older_declarations_keep_their_keys():
    """Without seeds and `where`, what keys hash is what the matrix says, word for word."""
    old = declaration()
    (training,) = plan(parse_matrix(content(tuned=[old]), "test")).trainings
    assert training.content["tuned"] == [old]
    # `where` says only which points it belongs to.
    (there,) = plan(parse_matrix(content(tuned=[{**old, "where": {"meta": "maml"}}]), "test")).trainings
    (elsewhere,) = plan(parse_matrix(content(tuned=[{**old, "where": {"meta": "anil"}}]), "test")).trainings
    assert there.key == training.key != elsewhere.key
    assert "tuned" not in elsewhere.content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"training": {"lr": [0.1]}}}, "search for 'lr' of training that cannot have found 0.001"),
        (
            {"space": {"episodes": {"sampler": ["meta-dataset"]}}},
            "'sampler' of episodes that cannot have .* 'fixed'",
        ),
        ({"space": {"training": {"lrr": [0.1]}}}, "tuned.0.space: training has no 'lrr'; did you mean 'lr'"),
        ({"space": {"trainning": {"lr": [0.1]}}}, "unknown key 'tuned.0.space.trainning'; did you mean 'training'"),
        ({"where": {"metta": "maml"}}, "tuned.0.where: a search has no axis 'metta'; did you mean 'meta'"),
        ({"where": {"meta": ["anil", "mamml"]}}, "unknown meta 'mamml'; did you mean 'maml'"),
        ({"where": {"source": "glyph"}}, "unknown dataset 'glyph'; did you mean 'glyphs'"),
        ({"where": {"regime": "psuedo"}}, "tuned.0.where: unknown regime 'psuedo'; did you mean 'pseudo'"),
        ({"seeds": []}, "tuned.0.seeds"),
    ],
)
def test_a_declaration_is_held_against_the_matrix(changes, message):
    with pytest.raises(BenchbenchError, match=message):
        plan(parse_matrix(content(tuned=[declaration(**changes)]), "test"), prepare_data=False)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"settings": {"meta": {"mamml": {"inner_lr": 0.1}}}}, "unknown meta 'mamml'; did you mean 'maml'"),
        ({"settings": {"meta": {"maml": {"inner_rl": 0.1}}}}, "unknown setting 'inner_rl'; did you mean 'inner_lr'"),
        ({"settings": {"meta": {"maml": 0.1}}}, "when.0.*settings.meta.maml: .*dictionary"),
        ({"settings": {"metta": {"maml": {"inner_lr": 0.1}}}}, "when.0.*settings.metta"),
        ({"target": "digits", "settings": {}}, "when.0.target: one training is scored on all of them"),
    ],
)
def test_settings_of_a_rule_are_checked(rule, message):
    with pytest.raises(BenchbenchError, match=message):
        plan(parse_matrix(content(when=[rule]), "test"), prepare_data=False)


def test_the_command_goes_through_a_matrix(tune, monkeypatch, tmp_path):
    def judge(training, *_):
        if training.method.meta == "protonet":
            raise TrainingFailed("non-finite loss")
        return 0.5

    monkeypatch.setattr(searching, "_score", judge)
    axes = {**content()["axes"], "meta": ["maml", "protonet", "anil"]}
    code, out, err, output = tune("[training]\nlr = [0.01]\n", content(axes=axes))
    assert code == 2
    assert "method 2 of 3, rotation × protonet (mlp, glyphs, pseudo)" in err
    assert "rotation × protonet (mlp, glyphs, pseudo): all 1 trials failed, the last one: non-finite loss" in err
    assert out == output.read_text()
    found = tomllib.loads((tmp_path / "matrix.toml").read_text() + out)
    assert [rule["meta"] for rule in found["when"]] == ["maml", "anil"]
    assert [declared["where"]["meta"] for declared in found["tuned"]] == ["maml", "anil"]
