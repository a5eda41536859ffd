"""The search for settings: what it may see, what it repeats, and what records say of it."""

import signal
import tomllib

import pytest

from benchbench.data.pool import Pool
from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError, Interrupted, Stopped, TrainingFailed
from benchbench.evaluation.target import Target
from benchbench.execution import job
from benchbench.execution.recording import scored
from benchbench.execution.settled import settled
from benchbench.packaged import tasks_folder
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan
from benchbench.results.audit import matrix_of
from benchbench.results.consistency import content_faults, key_faults
from benchbench.store.files import Store
from benchbench.tuning import search as searching
from benchbench.tuning.fragment import fragment
from benchbench.tuning.search import search
from benchbench.tuning.space import load_space
from tests.tuning.small import RATE, content, declaration, what, whole


def test_a_trial_never_touches_the_test_part(store, monkeypatch):
    scored, trained = set(), set()
    of, samples = Pool.of, Target.samples

    def pool(table, split, part, **rest):
        trained.add(part)
        return of(table, split, part, **rest)

    monkeypatch.setattr(Pool, "of", pool)
    monkeypatch.setattr(
        Target, "samples", lambda self, *a: (scored.add((self.data.name, self.part)), samples(self, *a))[1]
    )
    chosen, declared = search(what(), store, trials=1)
    assert (scored, trained) == ({("glyphs", "valid")}, {"train"})
    assert 0 < declared.best <= 1
    # The same weights once more, scored by hand.
    (training,) = what().trainings(chosen)
    data = prepare(training.source)
    trained_again, _ = job.train(training, data, None, "cpu", lambda _: None)
    target = Target(data, trained_again.sample, part="valid")
    rng = searching.Rng(training.seed, "tune", "5way-1shot")
    correct = training.cells[0].component.build().evaluate(trained_again, target, rng)["accuracy"].values
    assert declared.best == pytest.approx(sum(correct) / (4 * 10))


def test_tpe_finds_what_is_best_and_goes_on_where_it_was(store, judged, tmp_path):
    at_once = search(what(), store, trials=20)
    in_one_go = list(judged)
    assert len(in_one_go) == 20
    assert abs(at_once[0][RATE] - 0.1) < 0.02
    other = Store(tmp_path / "other").open()
    search(what(), other, trials=12)
    assert search(what(), other, trials=20) == at_once
    assert judged[20:] == in_one_go, "twelve and then eight are the same twenty"
    assert search(what(), other, trials=12)[1].trials == 12
    assert len(judged) == 40, "known trials are not made again"


def test_an_interrupted_trial_is_proposed_again(store, monkeypatch):
    seen = []

    def judge(training, what, store, device, stop):
        seen.append(training.content["learner"]["settings"]["inner_lr"])
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)
            assert stop()
            raise Stopped
        return 0.5

    monkeypatch.setattr(searching, "_score", judge)
    with pytest.raises(Interrupted):
        search(what(), store, trials=3)
    search(what(), store, trials=3)
    assert len(seen) == 4
    assert seen[1] == seen[2]


def test_what_is_tried_stands_above_the_matrix_however_it_is_written():
    settings = {
        **content()["settings"],
        "meta": {"maml": {"inner_lr": 0.2}, "benchbench-suite:maml": {"inner_lr": 0.3}},
    }
    (training,) = what(settings=settings).trainings({RATE: 0.05})
    assert training.content["learner"]["settings"]["inner_lr"] == 0.05


def test_failed_trials_count_and_are_never_the_best(store, monkeypatch):
    said = []

    def judge(training, *_):
        if len(said) != 1:
            raise TrainingFailed("non-finite loss")
        return 0.25

    monkeypatch.setattr(searching, "_score", judge)
    _, declared = search(what(), store, trials=3, report=lambda *line: said.append(line))
    assert (declared.best, declared.trials) == (0.25, 3)
    assert [outcome for _, _, outcome in said] == ["non-finite loss", 0.25, "non-finite loss"]
    monkeypatch.setattr(searching, "_score", lambda *_: (_ for _ in ()).throw(TrainingFailed("non-finite loss")))
    with pytest.raises(BenchbenchError, match="all 2 trials failed, the last one: non-finite loss"):
        search(what(seed=3), store, trials=2)


def test_one_search_at_a_time(store, judged):
    def again(*_):
        with pytest.raises(BenchbenchError, match="another process runs this search"):
            search(what(), store, trials=1)

    search(what(), store, trials=1, report=again)


def test_pretext_valid_is_minus_the_loss_at_the_end(store):
    space = {"meta": {"maml": {"inner_lr": [0.1]}}}
    _, declared = search(what(space, "pretext-valid"), store, trials=1)
    (training,) = what(space, "pretext-valid").trainings({RATE: 0.1})
    with settled(training.recipe["threads"], "cpu"):
        _, stages = job.train(training, prepare(training.source), None, "cpu", lambda _: None)
    assert [p["pretext-valid"] for p in stages[0].curve if "pretext-valid" in p] == [declared.best] != []


PLAIN = {**content()["axes"], "pretext": ["contrastive"], "meta": ["nearest-centroid"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"meta": {"protonet": {"distance": ["cosine"]}}}}, "no method here depends on meta.protonet"),
        ({"space": {"training": {"batch_size": [8]}}}, "no method here depends on training.batch_size"),
        ({"space": {"pretext": {"labels": {"augment": [True]}}}}, "no method that --only leaves depends on what is"),
        ({"criterion": "pretext-valid", "only": {"pretext": ["labels"]}}, "reads labels: criterion pretext-valid"),
        (
            {"criterion": "pretext-valid", "space": {"episodes": {"meta_batch": [1], "ways": [5, 20]}}},
            "cannot compare values of 'ways' of episodes: a loss over episodes changes with their shape",
        ),
        (
            {
                "criterion": "pretext-valid",
                "space": {"meta": {"nearest-centroid": {"distance": ["cosine"]}}},
                "axes": PLAIN,
            },
            "an adapter has no part in the loss",
        ),
        (
            {
                "criterion": "pretext-valid",
                "space": {"pretext": {"contrastive": {"temperature": [0.1]}}},
                "axes": PLAIN,
            },
            "cannot compare values of 'temperature' of pretext contrastive: it is a setting of the loss itself",
        ),
        (
            {"criterion": "pretext-valid", "space": {"training": {"lr": [0.1], "batch_size": [8]}}, "axes": PLAIN},
            "cannot compare values of 'batch_size' of training: a loss over a batch changes with its size.*labelled",
        ),
        (
            {
                "criterion": "pretext-valid",
                "space": {"backbone": {"linear": {"width": [8]}}},
                "axes": {**PLAIN, "pretext": ["pca"], "backbone": ["linear"]},
            },
            "trains nothing by steps",
        ),
        (
            {
                "criterion": "pretext-valid",
                "space": {"meta": {"baseline++": {"lr": [0.1]}}},
                "axes": {**PLAIN, "pretext": ["none"], "meta": ["baseline++"]},
            },
            "trains nothing by steps",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(changes, message):
    two = {"axes": {**content()["axes"], "pretext": ["rotation", "labels"]}, "only": {"pretext": ["rotation"]}}
    with pytest.raises(BenchbenchError, match=message):
        whole(**(changes if "axes" in changes else two | changes)).methods()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nlrr = [0.1]", r"\[training\]: unknown setting 'lrr'; did you mean 'lr'"),
        ("[training]\nlr = {low = 0.0, high = 0.1}", r"\[training\]: lr: input should be greater than 0, got 0.0"),
        ("[training]\noptimiser = ['lion']", r"\[training\]: optimiser: input should be 'adam'"),
        ("[training]\nvalidate_times = [1, 2]", r"\[training\]: a search cannot change 'validate_times'"),
        ("[training]\nprecision = ['bfloat16']", r"\[training\]: a search cannot change 'precision'"),
        ("[episodes]\nways = [1]", r"\[episodes\]: ways: input should be greater than or equal to 2, got 1"),
        ("[trainning]\nlr = [0.1]", "a search cannot change it; did you mean 'training'"),
        ("[meta.maml]\ninner_rl = [0.1]", r"\[meta.maml\]: unknown setting 'inner_rl'; did you mean 'inner_lr'"),
        ("[meta.mamml]\ninner_lr = [0.1]", "unknown meta 'mamml'; did you mean 'maml'"),
        ("[meta.maml]\ninner_lr = [-0.1]", "setting 'inner_lr': input should be greater than 0, got -0.1"),
        ("[meta.maml]\ntrain_steps = {low = 0, high = 3}", "setting 'train_steps': input should be greater than 0"),
        ("[meta.maml]\ninner_lr = {low = 1.0, high = 0.1}", "low must be below high"),
        ("[protocol.episodic]\nshots = [1]", r"\[protocol\]: a search cannot change it"),
        ("[meta.maml]", "names no setting"),
        ("[meta", "TOML syntax error"),
    ],
)
def test_a_space_is_checked_before_anything_runs(tmp_path, text, message):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(BenchbenchError, match=message):
        load_space(path)


@pytest.mark.parametrize("path", sorted((tasks_folder() / "spaces").glob("*.toml")), ids=lambda path: path.stem)
def test_a_packaged_space_has_a_name(path):
    assert load_space(path.stem) == load_space(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("study-plian", r"unknown space 'study-plian'; did you mean 'study-plain'\? \(or a path to a .toml file\)"),
        ("absent.toml", "no space file absent.toml"),
    ],
)
def test_a_space_that_is_not_there(name, message):
    with pytest.raises(BenchbenchError, match=message):
        load_space(name)


def test_a_declaration_enters_the_keys_and_records_of_what_it_tuned(store, judged):
    found, declared = search(what(), store, trials=2)
    tuned = tomllib.loads(fragment(found, declared))
    (ruled,) = tuned["when"]
    assert ruled["settings"] == {"meta": {"maml": {setting: value for (_, _, setting), value in found.items()}}}
    settings = {**content()["settings"], **ruled["settings"]}
    axes = {**content()["axes"], "meta": ["maml", "protonet"]}
    silent = {t.method.meta: t for t in plan(parse_matrix(content(settings=settings, axes=axes), "test")).trainings}
    matrix = parse_matrix(content(settings=settings, axes=axes, tuned=tuned["tuned"]), "test")
    told = {t.method.meta: t for t in plan(matrix).trainings}
    assert told["protonet"].key == silent["protonet"].key
    assert told["maml"].key != silent["maml"].key
    assert told["maml"].stages == silent["maml"].stages, "what is trained is the same: it is not trained again"
    assert "tuned" not in silent["maml"].content

    training = told["maml"]
    data = prepare(training.source)
    trained, stages = job.train(training, data, None, "cpu", lambda _: None)
    record = scored(training, training.cells[0], trained, stages, data, "cpu")
    (held,) = record.content["tuned"]
    assert (held["trials"], held["criterion"], held["budget"]) == (2, "labelled-valid", {"samples": 60})
    assert held["space"]["meta"]["maml"]["test_norm"] == ["call", "support"]
    assert (record.flags.labels, record.flags.selection_labels) == ("none", "source"), "labels chose its settings"
    assert content_faults(record) == []
    assert key_faults(record) == ([], [])
    assert plan(matrix_of(record)).trainings[0].key == training.key


def test_a_declaration_that_cannot_be_true_is_refused():
    declared = declaration(space={"meta": {"maml": {"inner_lr": {"low": 0.5, "high": 1.0}}}})
    matrix = parse_matrix(content(tuned=[declared]), "test")
    with pytest.raises(
        BenchbenchError, match=r"'inner_lr' of meta maml that cannot have found 0.1, which it is set to"
    ):
        plan(matrix, prepare_data=False)
    with pytest.raises(BenchbenchError, match="unknown meta 'mammal'"):
        plan(parse_matrix(content(tuned=[{**declared, "space": {"meta": {"mammal": {}}}}]), "test"), prepare_data=False)


RANGE = "[meta.maml]\ninner_lr = {low = 0.01, high = 1.0, log = true}\n"


def test_the_command_writes_a_piece_of_a_matrix(tune, command, judged, tmp_path):
    code, out, err, output = tune(RANGE, content(), trials=2)
    assert code == 0, err
    assert out == output.read_text()
    assert "trial 2 of 2: inner_lr" in err
    assert tomllib.loads(out)["tuned"][0]["space"]["meta"]["maml"]["inner_lr"]["log"] is True
    code, _, err = command("tune", tmp_path / "none.toml", "--matrix", tmp_path / "matrix.toml")
    assert code == 2
    assert "no space file" in err


def test_what_a_method_found_is_written_before_the_next_is_searched(tune, monkeypatch):
    def judge(training, *_):
        if training.method.pretext == "rotation":
            raise BenchbenchError("the disk is full")
        return 0.5

    monkeypatch.setattr(searching, "_score", judge)
    code, _, err, output = tune(RANGE, content(axes=content()["axes"] | {"pretext": ["contrastive", "rotation"]}))
    assert code == 2, err
    (found,) = tomllib.loads(output.read_text())["tuned"]
    assert found["where"]["pretext"] == "contrastive"
