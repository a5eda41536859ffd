"""How an executor gets its settings, from Python and from the command line."""

import os
from pathlib import Path

import pytest

from benchbench.errors import BenchbenchError
from benchbench.execution.run import make_executor


def test_jobs_are_this_machines_cores_unless_the_executor_decides_for_itself():
    assert make_executor("local", None, {}).jobs == (os.cpu_count() or 1)
    assert make_executor("local", 3, {}).jobs == 3
    assert make_executor("ray", None, {}).jobs is None
    held = make_executor("ray", 3, {"address": "10.0.0.1:6379", "gpus": 0.25})
    assert (held.jobs, held.address, held.gpus, held.retries) == (3, "10.0.0.1:6379", 0.25, 3)


def test_a_shared_folder_is_the_same_on_every_node():
    given = {"": "", "kept": str(Path.cwd() / "kept"), "/mnt/kept": "/mnt/kept", "s3://b/kept": "s3://b/kept"}
    assert {name: make_executor("ray", None, {"checkpoints": name}).checkpoints for name in given} == given


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("rai", {}, "unknown executor 'rai'; did you mean 'ray'?"),
        ("ray", {"adress": "x"}, "executor ray: unknown setting 'adress'; did you mean 'address'?"),
        ("ray", {"gpus": 0}, "executor ray: setting 'gpus': input should be greater than 0, got 0"),
        ("local", {"address": "x"}, "executor local: unknown setting 'address'"),
    ],
)
def test_bad_ones_are_refused(name, settings, message):
    with pytest.raises(BenchbenchError) as error:
        make_executor(name, None, settings)
    assert str(error.value).startswith(message)


def test_the_command_refuses_them_before_anything_is_prepared(command, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    base = ("run", "--matrix", "ci", "--results", tmp_path / "runs", "--executor", "ray", "--executor-option")
    code, _, err = command(*base, "retries=-1")
    assert code == 2
    assert err == "error: executor ray: setting 'retries': input should be greater than or equal to 0, got -1\n"
    code, _, err = command(*base, "retries")
    assert (code, err) == (2, "error: --executor-option retries: expected KEY=VALUE\n")
    code, _, err = command("run", "--matrix", "ci", "--seeds", "")
    assert (code, err) == (2, "error: --seeds '': expected a value, got an empty text\n")
    code, _, err = command("run", "--matrix", "ci", "--ray-address", "10.0.0.1:6379")
    assert (code, err[:55]) == (2, "error: executor local: unknown setting 'address'; expec"[:55])
    assert not list(tmp_path.iterdir())
