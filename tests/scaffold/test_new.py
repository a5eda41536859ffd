"""What `plugins new` writes and refuses; `test_acceptance` builds, installs and runs it."""

import tomllib

import pytest

from benchbench.components.registry import GROUPS
from benchbench.scaffold import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_distribution(command, tmp_path, kind):
    code, out, err = command("plugins", "new", "my-thing", "--kind", kind, "--path", tmp_path)
    assert (code, err) == (0, "")
    folder = tmp_path / "benchbench-my-thing"
    assert str(folder) in out
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == {
        ".github/workflows/tests.yml", ".gitignore", "LICENSE", "README.md", "benchbench_my_thing.py",
        "pyproject.toml", "tests/test_benchbench_my_thing.py",
    }  # fmt: skip
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["benchbench-suite"]
    assert project["entry-points"] == {GROUPS[kind]: {"my-thing": "benchbench_my_thing:MyThing"}}
    assert "class MyThing(" in (folder / "benchbench_my_thing.py").read_text()
    assert "${{ matrix.python }}" in (folder / ".github/workflows/tests.yml").read_text()
    assert all("$name" not in p.read_text() and "$cls" not in p.read_text() for p in folder.rglob("*") if p.is_file())


def test_several_kinds_are_one_distribution(command, tmp_path):
    kinds = [part for kind in ("pretext", "meta", "protocol") for part in ("--kind", kind)]
    code, _, err = command("plugins", "new", "my-thing", *kinds, "--path", tmp_path)
    assert (code, err) == (0, "")
    folder = tmp_path / "benchbench-my-thing"
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"] == {
        GROUPS[kind]: {f"my-thing-{kind}": f"benchbench_my_thing_{kind}:MyThing{kind.capitalize()}"}
        for kind in ("pretext", "meta", "protocol")
    }
    modules = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert modules == [f"benchbench_my_thing_{kind}.py" for kind in ("pretext", "meta", "protocol")]
    for module in modules:
        assert "class MyThing" in (folder / module).read_text()
        assert (folder / "tests" / f"test_{module}").exists()
    readme = (folder / "README.md").read_text()
    assert "The pretext `my-thing-pretext` and meta `my-thing-meta` and protocol `my-thing-protocol` for" in readme
    assert "$" not in readme


def test_what_is_not_installed_yet_is_told_so(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command("plugins", "new", "my-thing", "--kind", "meta")
    for name in ("my-thing", "benchbench-my-thing"):
        code, _, err = command("plugins", "check", name)
        assert (code, err) == (2, f"error: {name!r} is not installed: pip install -e benchbench-my-thing\n")


def test_a_class_hides_no_import(command, tmp_path):
    command("plugins", "new", "benchbench-pool", "--kind", "pretext", "--path", tmp_path)
    text = (tmp_path / "benchbench-pool" / "benchbench_pool.py").read_text()
    assert "class PoolPretext(Pretext):" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My-Thing", "plugin name 'My-Thing': expected lower-case words"),
        ("../up", "plugin name '../up': expected lower-case words"),
        ("benchbench-", "plugin name '': expected lower-case words"),
        ("rotation", "plugin name 'rotation': benchbench-suite offers a pretext of this name: take another"),
        ("standard", "plugin name 'standard': a package benchbench_standard is installed: take another"),
    ],
)
def test_bad_names(command, tmp_path, name, message):
    code, out, err = command("plugins", "new", name, "--kind", "pretext", "--path", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert not list(tmp_path.iterdir())


def test_what_exists_stays(command, tmp_path):
    mine = tmp_path / "benchbench-mine"
    mine.mkdir()
    code, _, err = command("plugins", "new", "mine", "--kind", "meta", "--path", tmp_path)
    assert code == 2
    assert err == f"error: {mine} exists: name another --path, or move it away\n"
    assert not list(mine.iterdir())
    (tmp_path / "file").write_text("")
    code, _, err = command("plugins", "new", "mine", "--kind", "meta", "--path", tmp_path / "file")
    assert code == 2
    assert err.startswith(f"error: {tmp_path / 'file' / 'benchbench-mine'} cannot be written: ")
