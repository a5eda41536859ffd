import inspect
import logging
import sys
import types
from copy import deepcopy
from importlib.metadata import EntryPoint

import pytest

import benchbench
from benchbench.execution import hooks
from benchbench.execution.hooks import Hooks, Specifications, hookimpl
from benchbench.planning.matrix import parse_matrix

SPECS = {name: f for name, f in vars(Specifications).items() if not name.startswith("_")}


@pytest.fixture
def install(monkeypatch):
    """Load hook plugins from name -> functions, as if they were installed."""

    def load(**plugins):
        entries = []
        for name, functions in plugins.items():
            module = types.ModuleType(f"hooks_of_{name}")
            for f in functions:
                setattr(module, f.__name__, hookimpl(f))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            entries.append(EntryPoint(name, module.__name__, "benchbench.hooks"))
        entries.append(EntryPoint("missing", "no_such_module", "benchbench.hooks"))
        monkeypatch.setattr(hooks, "entry_points", lambda group: entries)
        return Hooks.installed()

    return load


def test_a_deprecated_hook_warns_and_is_called(install):
    def leaderboard_columns(records):
        return {"seen": str(len(records))}

    with pytest.warns(DeprecationWarning, match="leaderboard_columns is deprecated"):
        hooks = install(theirs=[leaderboard_columns])
    assert hooks.call("leaderboard_columns", records=[]) == [{"seen": "0"}]


def test_every_hook_is_documented():
    assert len(SPECS) == 7
    for name, function in SPECS.items():
        assert function.__doc__, name
        assert all(p.annotation is not p.empty for p in list(inspect.signature(function).parameters.values())[1:]), name


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_gets_its_arguments(install, name):
    expected = {p: object() for p in list(inspect.signature(SPECS[name]).parameters)[1:]}
    heard = []
    scope = {"heard": heard}
    exec(f"def {name}({', '.join(expected)}): heard.append(locals())", scope)
    install(one=[scope[name]]).call(name, **expected)
    assert heard == [expected]


def test_an_error_in_one_plugin_is_logged_and_the_others_run(install, caplog):
    heard = []

    def fails():
        def record_written(record):
            raise RuntimeError("disk full")

        return record_written

    def works():
        def record_written(record):
            heard.append(record)

        return record_written

    with caplog.at_level(logging.WARNING, "benchbench.hooks"):
        loaded = install(a=[works()], b=[fails()], c=[works()])
        loaded.call("record_written", record=1)
    assert heard == [1, 1]
    assert "hook record_written of plugin b failed: RuntimeError: disk full" in caplog.text
    assert "hook plugin missing is broken: ModuleNotFoundError" in caplog.text


def test_wrong_arguments_and_names_are_reported(install, caplog):
    def record_written(record, nonsense): ...

    def training_started(training): ...

    def trainng_failed(training): ...

    with caplog.at_level(logging.WARNING, "benchbench.hooks"):
        loaded = install(broken=[training_started, record_written], misspelt=[trainng_failed])
    assert "hook plugin broken is broken: PluginValidationError" in caplog.text
    assert "hook plugin misspelt: there is no hook 'trainng_failed'" in caplog.text
    # A plugin that was refused takes part in nothing.
    assert not loaded.manager.hook.training_started.get_hookimpls()


def test_a_run_tells_settings_steps_costs_and_scores(install, monkeypatch, tmp_path):
    heard = []

    def training_started(training, settings):
        heard.append((training, deepcopy(settings)))
        settings["backbone"]["settings"].clear()  # what is recorded stays

    def step_metrics(training, step, stage, metrics):
        heard.append((stage, step, set(metrics)))

    def training_finished(training, seconds, cost, scores):
        heard.append((seconds, cost, scores))

    held = install(mine=[training_started, step_metrics, training_finished])
    monkeypatch.setattr(Hooks, "installed", lambda: held)
    axes = {"pretext": ["rotation"], "meta": ["protonet"], "backbone": ["mlp"], "source": ["glyphs"]}
    content = {
        "name": "told",
        "axes": {**axes, "target": ["digits", "symbols"], "protocol": ["5way-1shot"], "regime": ["pipeline"]},
        "budget": {"steps": 4},
        "episodes": {"meta_batch": 2, "queries": 2},
        "floors": False,
        "settings": {"protocol": {"episodic": {"episodes": 5}}, "backbone": {"mlp": {"width": 8, "depth": 1}}},
    }
    asked = parse_matrix(content, "told")
    done = benchbench.run(asked, tmp_path, executor="inline", only={"target": ["digits"]})
    (training, settings), *steps, (seconds, cost, scores) = heard
    assert training["matrix"] == "told"
    assert settings["backbone"]["settings"] == {"width": 8, "depth": 1}
    assert [settings[p]["name"] for p in ("pretext", "meta", "source")] == [
        f"benchbench-suite:{name}" for name in ("rotation", "protonet", "glyphs")
    ]
    assert (settings["regime"], settings["budget"], settings["episodes"]["queries"]) == ("pipeline", {"steps": 4}, 2)
    assert settings["training"]["optimiser"] == "adam"
    assert [(stage, step) for stage, step, _ in steps] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all("loss" in metrics for *_, metrics in steps)
    (record,) = done.records
    assert seconds > 0
    assert cost["flops"] == record.cost.flops
    assert cost["train_seconds"] == record.timing["train_seconds"]
    assert scores == {"digits": {"5way-1shot": {"accuracy": record.summary["accuracy"].model_dump()}}}
    # The scores of an earlier run count.
    done = benchbench.run(asked, tmp_path, executor="inline")
    assert set(heard[-1][2]) == {"digits", "symbols"}
    spent = sum(r.timing["evaluation_seconds"] for r in done.records)
    assert heard[-1][1]["evaluation_seconds"] == pytest.approx(spent)
    assert all(r.content["backbone"]["settings"] for r in done.records)
