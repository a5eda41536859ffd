"""Preparation: decoded once, never half, again when a source changes."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import Sample
from benchbench.data.prepare import cache_root, prepare, prepared
from benchbench.registry import resolve_component
from benchbench.settings import ComponentRef
from benchbench_standard.datasets.digits import Digits
from benchbench_standard.datasets.imagefolder import ImageFolder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes of two grey images."""
    for i, name in enumerate(("a/0", "a/1", "b/0", "b/1")):
        path = tmp_path / "tree" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 10 * i, np.uint8)).save(path)
    return tmp_path / "tree"


def of_tree(tree: Path) -> ComponentRef:
    return resolve_component("dataset", "imagefolder", {"path": str(tree), "size": 8, "grey": True})


def test_digits() -> None:
    data = prepare(resolve_component("dataset", "digits"))
    assert data.table.x.shape == (1797, 1, 28, 28)
    assert data.table.class_names == tuple("0123456789")
    assert (data.split.train, data.split.valid, data.split.test) == ((), (), tuple(range(10)))
    corner, middle = data.table.x[:, 0, 0, 0].mean(), data.table.x[:, 0, 8:20, 8:20].mean()
    assert corner < 10 < 60 < middle


def test_size_changes_the_table_and_its_fingerprint() -> None:
    small, large = (prepare(resolve_component("dataset", "digits", {"size": n})) for n in (8, 16))
    assert (small.table.shape, large.table.shape) == ((1, 8, 8), (1, 16, 16))
    assert small.fingerprint != large.fingerprint


def test_an_exception_midway_leaves_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Digits.samples

    def broken(self: Digits, root: Path | None) -> Iterator[Sample]:
        yield next(whole(self, root))
        raise KeyboardInterrupt

    ref = resolve_component("dataset", "digits")
    with monkeypatch.context() as patch:
        patch.setattr(Digits, "samples", broken)
        with pytest.raises(KeyboardInterrupt):
            prepare(ref)
    assert prepared(ref) is None
    assert [p for p in (cache_root() / "tables").iterdir() if p.is_dir()] == []
    assert len(prepare(ref).table) == 1797


def test_prepared_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(of_tree(tree))
    monkeypatch.setattr(ImageFolder, "samples", None)
    assert prepare(of_tree(tree)).fingerprint == first.fingerprint


def test_prepared_again_when_a_file_changes(tree: Path) -> None:
    first = prepare(of_tree(tree))
    before = first.fingerprint
    assert first.table.x[0].max() == 0
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tree / "a" / "0.png")
    os.utime(tree / "a" / "0.png", ns=(1, 1))
    assert prepared(of_tree(tree)) is None
    again = prepare(of_tree(tree))
    assert again.table.x[0].min() == 200
    assert again.fingerprint != before


def test_a_touched_file_keeps_the_fingerprint(tree: Path) -> None:
    before = prepare(of_tree(tree)).fingerprint
    os.utime(tree / "a" / "0.png", ns=(1, 1))
    assert prepare(of_tree(tree)).fingerprint == before
