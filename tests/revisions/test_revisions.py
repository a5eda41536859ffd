"""No result changes silently: code and revision move together."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchbench.components.code import class_hash, code, engine_hash


@pytest.fixture(scope="module")
def update() -> ModuleType:
    """The script that writes the lock."""
    spec = importlib.util.spec_from_file_location("update_revisions", Path(__file__).with_name("update.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_changed_code_has_a_new_revision_or_a_reason(update):
    now, before = update.current(), update.locked()
    assert not update.unexplained(now, before), "see tests/revisions/update.py"
    assert {n: e["revision"] for n, e in now.items()} == {n: e["revision"] for n, e in before.items()}, (
        "components or revisions changed: run tests/revisions/update.py"
    )


def test_a_change_without_a_reason_is_refused(update, tmp_path, monkeypatch):
    monkeypatch.setattr(update, "LOCK", tmp_path / "revisions.lock")
    entries = {"meta a": {"revision": 1, "source": "old"}, "meta b": {"revision": 1, "source": "same"}}
    monkeypatch.setattr(update, "current", lambda: {k: dict(v) for k, v in entries.items()})
    update.main(None)
    entries["meta a"]["source"] = "new"
    with pytest.raises(SystemExit, match="raise the revision of these, or say why their results stay the same: meta a"):
        update.main(None)
    update.main("renamed a variable")
    update.main(None)
    assert update.locked()["meta a"] == {"revision": 1, "source": "new", "same_results": "renamed a variable"}
    assert "same_results" not in update.locked()["meta b"]
    entries["meta a"] = {"revision": 2, "source": "newer"}
    update.main(None)
    assert update.locked()["meta a"] == {"revision": 2, "source": "newer"}


CHANGES = {
    "every learner's loss": ("training/learner.py", "return F.cross_entropy(", "return 2 * F.cross_entropy("),
    "an encoder's first weights": ("execution/job.py", 'Rng(training.seed, "encoder")', 'Rng(training.seed, "other")'),
    "what rows an episode takes": ("episodes/fixed.py", "order = state.permutation(", "order = state.permutation(1 *"),
    "a test episode's stream": ("evaluation/target.py", "stream(key, number, ", "stream(key, number + 1, "),
    "how bytes become floats": ("data/storage.py", "np.divide(x, 255,", "np.divide(x, 256,"),
    "a layer of every backbone": ("encoding/batch_norm.py", "import torch\n", "import torch\n\nSHIFT = 1e-3\n"),
}


@pytest.mark.parametrize(("file", "old", "new"), CHANGES.values(), ids=CHANGES)
def test_what_results_depend_on_does_not_change_unnoticed(update, tmp_path, monkeypatch, file, old, new):
    package = tmp_path / "benchbench"
    shutil.copytree(update.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(update, "PACKAGE", package)
    before = update.current()
    text = (package / file).read_text("utf-8")
    assert text.count(old) == 1
    (package / file).write_text(text.replace(old, new), "utf-8")
    assert update.unexplained(update.current(), before) == ["harness"]


def test_a_file_that_comes_into_a_room_counts(tmp_path):
    for room in ("training", "cli"):
        (tmp_path / room).mkdir()
    first = engine_hash(tmp_path)
    (tmp_path / "cli" / "new.py").write_text("X = 1\n")
    assert engine_hash(tmp_path) == first
    (tmp_path / "training" / "new.py").write_text("X = 1\n")
    assert engine_hash(tmp_path) != first


def test_prose_is_no_code(tmp_path):
    plain, spoken = tmp_path / "plain.py", tmp_path / "spoken.py"
    plain.write_text("def f(x):\n    return x + 1\n")
    spoken.write_text('"""Module."""\n\n# why\ndef f(x):\n    """Doc\n    string."""\n\n    # how\n    return x + 1\n')
    assert code(plain) == code(spoken)
    spoken.write_text(spoken.read_text().replace("x + 1", "x + 2"))
    assert code(plain) != code(spoken)


def test_a_hash_follows_what_a_class_is_made_of(tmp_path, monkeypatch):
    folder = tmp_path / "followed"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text("RATE = 1\n")
    (folder / "base.py").write_text("from .helper import RATE\n\nclass Base:\n    rate = RATE\n")
    (folder / "leaf.py").write_text("import json\nfrom followed.base import Base\n\nclass Leaf(Base):\n    pass\n")
    (folder / "stranger.py").write_text("X = 1\n")

    def hashed() -> str:
        for name in [n for n in sys.modules if n.split(".")[0] == "followed"]:
            del sys.modules[name]
        importlib.import_module("followed.stranger")
        return class_hash(importlib.import_module("followed.leaf").Leaf)

    monkeypatch.syspath_prepend(tmp_path)
    first = hashed()
    (folder / "stranger.py").write_text("X = 2\n")
    assert hashed() == first
    (folder / "helper.py").write_text("RATE = 22\n")
    assert hashed() != first
