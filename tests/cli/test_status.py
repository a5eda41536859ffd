import json
import os
import time


def test_counts_cells(command, results):
    code, out, _ = command("status", results)
    assert code == 0
    assert out.splitlines()[-1].split() == ["tiny", "3", "3", "1", "1", "1"]


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
    assert out.count("running") == 1


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
