"""What a run says in the end of trainings that it did not do itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchbench.cli import cmd_run
from benchbench.execution import run
from benchbench.execution.job import Event, Job, fail_job
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import Plan, plan


@pytest.fixture
def todo(matrix) -> Plan:
    """Five trainings of two cells each."""
    return plan(load_matrix(matrix, {"seeds": [0]}))


class Others:
    """An executor whose jobs another run does meanwhile; every second one fails there."""

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        for number, job in enumerate(jobs):
            if number % 2 == 0:
                fail_job(job, "by another run", lambda event: None)
            report(Event("elsewhere", job.training))


def test_what_failed_in_another_run_is_a_failure(todo, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "make_executor", lambda *_: Others())
    done = run.run_plan(todo, tmp_path)
    assert (done.trained, done.reused, done.failed) == (0, 5, [])
    assert len(done.failures) == 3
    assert {r.training_key for r in done.records} == set(done.failures)
    assert {c.key for t in todo.trainings if t.key in done.failures for c in t.cells} == {r.key for r in done.records}
    # The next run reuses those, and tries the others again.
    again = run.run_plan(todo, tmp_path)
    assert (again.reused, len(again.failures)) == (3 + 2, 4)


@pytest.mark.parametrize("large", [False, True])
def test_the_command_fails_for_old_failures_and_makes_no_leaderboard_of_many_cells(
    command, matrix, todo, tmp_path, monkeypatch, large
):
    store = tmp_path / "runs"
    for training in todo.trainings:
        fail_job(Job(training, training.cells, store), "in an earlier run", lambda event: None)
    if large:
        monkeypatch.setattr(cmd_run, "LARGE", 9)
    code, out, err = command("run", "--matrix", matrix, "--results", store, "--seeds", "0", "--executor", "inline")
    assert code == 1
    assert "trained 0, reused 5, failed 0\n" in out
    assert "5 more failed in earlier runs\n" in err
    assert f"`benchbench logs {todo.trainings[0].key[:12]}` shows what the first of them printed" in err
    hint = f"`benchbench leaderboard {store} --output {store}` makes the leaderboard of 10 cells\n"
    assert (hint in out, Path(store / "leaderboard.csv").exists()) == (large, not large)
