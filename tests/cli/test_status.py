import errno
import json
import os
import time

import pytest

from benchbench.keys import content_key


def test_counts_cells(command, results):
    code, out, _ = command("status", results)
    assert code == 0
    assert out.splitlines()[-1].split() == ["tiny", "3", "3", "1", "1", "0", "1"]


def test_shows_what_runs_but_not_what_was_killed(command, results):
    folder = results / "progress"
    folder.mkdir()
    about = {"label": "rotation × maml", "step": 10, "steps": 40, "loss": 1.25, "accuracy": 0.5, "seconds_left": 30.2}
    (folder / "a.json").write_text(json.dumps(about))
    (folder / "b.json").write_text(json.dumps(about | {"label": "killed"}))
    (folder / "c.json").write_text('{"label": "cu')
    old = time.time() - 120
    os.utime(folder / "b.json", (old, old))
    out = command("status", results)[1]
    assert "running: rotation × maml: step 10/40, loss 1.25, accuracy 0.5, 30 s left" in out
    assert out.count("running:") == 1


def test_a_broken_plan_is_reported_and_the_rest_used(command, results):
    (results / "plans" / "other.json").write_text('{"matrix": "oth')
    code, out, err = command("status", results)
    assert code == 0
    assert "tiny" in out
    assert "other.json: not a plan" in err


def test_nothing_was_run(command, tmp_path):
    code, out, err = command("status", tmp_path)
    assert (code, out) == (2, "")
    assert "no run was started" in err


@pytest.mark.parametrize(("command_name", "folder"), [("status", "plans"), ("status", "records"), ("gc", "records")])
def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(
    command, results, monkeypatch, command_name, folder
):
    allowed = {name: getattr(os, name) for name in ("listdir", "scandir")}

    def refusing(name):
        def look(path="."):
            if os.fspath(path) == str(results / folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return allowed[name](path)

        return look

    for name in allowed:
        monkeypatch.setattr(os, name, refusing(name))
    code, out, err = command(command_name, results)
    assert (code, out, err) == (2, "", f"error: {results / folder}: Permission denied\n")


def test_counts_by_an_axis(command, results):
    rows = [line.split() for line in command("status", results, "--by", "pretext")[1].splitlines()[2:]]
    assert rows == [
        ["tiny", "jigsaw", "1", "0", "1", "0", "0"],
        ["tiny", "rotation", "1", "1", "0", "0", "0"],
        ["tiny", "waiting", "1", "0", "0", "0", "1"],
    ]
    code, _, err = command("status", results, "--by", "pretxt")
    assert (code, "did you mean 'pretext'?" in err) == (2, True)


def test_says_how_long_the_rest_takes(command, results):
    (path,) = (p for p in (results / "records").glob("*.jsonl") if '"rotation"' in p.read_text())
    line = json.loads(path.read_text())
    line["timing"] = {"train_seconds": 400.0, "evaluation_seconds": 20.0}
    path.write_text(json.dumps(line) + "\n")
    folder = results / "progress"
    folder.mkdir()
    (folder / f"{content_key(['waiting'])[:16]}.json").write_text(
        json.dumps({"label": "waiting", "step": 1, "steps": 9, "seconds_left": 180})
    )
    out = command("status", results)[1]
    assert out.splitlines()[2].split() == ["tiny", "3", "3", "1", "1", "1", "0"]
    assert "about 3 minutes left, with 1 at a time" in out
    (folder / f"{content_key(['waiting'])[:16]}.json").write_text(json.dumps({"label": "waiting"}))
    # As long as the training that is known took.
    assert "about 7 minutes left, with 1 at a time" in command("status", results)[1]
