import inspect
import logging
import sys
import types
from importlib.metadata import EntryPoint

import pytest

from benchbench.execution import hooks
from benchbench.execution.hooks import Hooks, Specifications, hookimpl

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
    assert len(SPECS) == 6
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
