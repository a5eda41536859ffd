"""What the commands say before and after trainings: which matrix, how long, and that nothing was printed."""

from pathlib import Path

import pytest

from benchbench.keys import content_key
from benchbench.store.files import Store, read_records

QUICK = Path(__file__).parents[2] / "results" / "quick"


@pytest.fixture
def copied(tmp_path):
    """The committed records of the quick matrix, with 100 seconds for every training."""
    store = Store(tmp_path / "runs")
    for record in read_records(QUICK)[0]:
        held = store.records(record.training_key)
        timing = {"train_seconds": 0.0 if record.flags.floor else 100.0, "evaluation_seconds": 0.0}
        store.add(record.training_key, [*held.values(), record.model_copy(update={"timing": timing})])
    return store.root


def test_a_dry_run_says_how_long_it_takes_by_what_is_recorded(command, copied):
    one = ("--only", "pretext=rotation", "--only", "meta=protonet", "--set", "floors=false")
    code, out, _ = command("run", "--matrix", "quick", "--results", copied, "--dry-run", "--seeds", "7,8,9,10", *one)
    assert code == 0
    # Four of 100 seconds, of which each takes what it takes.
    for jobs, said in ((1, "7 minutes"), (2, "3 minutes"), (4, "100 seconds"), (16, "100 seconds")):
        _, out, _ = command(
            "run", "--matrix", "quick", "--results", copied, "--dry-run", "--seeds", "7,8,9,10", "--jobs", jobs, *one
        )
        assert out.splitlines()[-1].startswith(f"about {said}, {jobs} at a time, by what such trainings took here")


def test_what_is_not_recorded_is_told_apart(command, copied, tmp_path):
    some = ("--set", "floors=false", "--seeds", "7", "--only", "meta=protonet", "--jobs", "1", "--dry-run")
    both = ("--set", 'axes.pretext=["rotation", "umtra"]')
    _, out, _ = command("run", "--matrix", "quick", "--results", copied, *some, *both)
    assert "about 100 seconds, and 1 trainings of unknown length, 1 at a time" in out
    _, out, _ = command("run", "--matrix", "quick", "--results", tmp_path / "new", *some)
    assert "how long it takes is not known" in out
    assert not (tmp_path / "new").exists()


def test_a_run_without_a_matrix_says_that_it_runs_quick(command, tmp_path):
    there = ("--dry-run", "--results", tmp_path / "runs")
    _, out, err = command("run", *there)
    assert "no --matrix is given: this is quick" in err
    assert (out, "") == command("run", "--matrix", "quick", *there)[1:]
    assert (out, "") == command("run", "--quiet", *there)[1:]


def test_an_empty_log_is_said_to_be_empty(command, results):
    log = Store(results).log(content_key(["jigsaw"]))
    log.parent.mkdir()
    log.write_text("")
    code, out, err = command("logs", content_key(["jigsaw"])[:8], "--results", results)
    assert (code, out) == (0, "")
    assert f"{log} is empty: the training printed nothing\n" in err
