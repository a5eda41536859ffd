import pytest

from benchbench.store.files import read_records


def keys(folder):
    return {r.key for r in read_records(folder)[0]}


def test_failed_records_and_those_of_an_older_revision_go(command, make, save, tmp_path):
    old, new, failed, other = make(revision=1), make(revision=2), make(None, pretext="jigsaw"), make(lr=0.5)
    results = save(tmp_path / "results", old, new, failed, other)
    code, out, _ = command("results", "prune", results, "--dry-run")
    assert code == 0
    assert out.splitlines()[-1] == "would drop 2 records"
    assert f"replaced by {new.key[:12]}: pretext suite:rotation 1 -> 2" in out
    assert "failed: out of memory" in out
    assert keys(results) == {old.key, new.key, failed.key, other.key}
    assert command("results", "prune", results)[1].splitlines()[-1] == "dropped 2 records"
    assert keys(results) == {new.key, other.key}
    assert command("results", "prune", results)[1] == "dropped 0 records\n"


def test_other_seeds_and_targets_replace_nothing(command, make, save, tmp_path):
    results = save(tmp_path / "results", make(revision=1), make(revision=2, seed=1), make(revision=2, target="glyphs"))
    assert command("results", "prune", results)[1] == "dropped 0 records\n"


def test_neither_of_two_that_are_each_newer_in_part_goes(command, make, save, tmp_path):
    a, b = make(revision=1), make(revision=2)
    a.content["target"]["revision"] = 3
    assert command("results", "prune", save(tmp_path / "results", a, b))[1] == "dropped 0 records\n"


def test_a_file_keeps_its_other_records(command, make, save, tmp_path):
    kept, failed = make(), make(None, target="glyphs")
    failed = failed.model_copy(update={"training_key": kept.training_key})
    results = save(tmp_path / "results", kept, failed)
    (file,) = (results / "records").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    command("results", "prune", results)
    assert file.read_bytes() in lines, "the line that stays is not touched"
    assert keys(results) == {kept.key}


def test_installed_revisions(command, genuine, make, save, tmp_path):
    """A record of the installed revisions stays, one of another goes, one of a plugin that is not installed stays."""
    old = genuine.model_copy(deep=True, update={"key": "0" * 64, "seed": 1})
    old.content["backbone"]["revision"] += 1
    results = save(tmp_path / "results", genuine, old, make())
    assert command("results", "prune", results)[1] == "dropped 0 records\n"
    out = command("results", "prune", results, "--installed")[1]
    now = genuine.content["backbone"]["revision"]
    assert f"backbone benchbench-suite:conv4 has revision {now} now, not {now + 1}" in out
    assert keys(results) == {genuine.key, make().key}


@pytest.mark.parametrize("arguments", [["nowhere"], ["--dry"]])
def test_bad_input(command, tmp_path, arguments):
    assert command("results", "prune", *arguments)[0] == 2
