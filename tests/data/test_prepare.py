"""Preparation: decoded once, never half, again when a source changes."""

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, ClassSplit, Sample
from benchbench.components.reference import ComponentRef, key_content, resolve_component
from benchbench.data.prepare import cache_root, prepare, prepared
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
    monkeypatch.setattr(ImageFolder, "decode", None)
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


def test_what_reads_nothing_below_the_data_folder_does_not_depend_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = resolve_component("dataset", "digits")
    prepare(ref)
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    assert prepared(ref) is not None


def test_the_same_data_elsewhere_are_the_same_data(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tree and the split file lie, and however the path is written."""
    (tmp_path / "split.json").write_text(json.dumps({"test": ["a"]}))
    first = resolve_component(
        "dataset", "imagefolder", {"path": str(tree), "split": str(tmp_path / "split.json"), "size": 8}
    )
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path / "other"))
    shutil.copytree(tree, tmp_path / "other" / "deep" / "tree")
    shutil.copy(tmp_path / "split.json", tmp_path / "other")
    second = resolve_component("dataset", "imagefolder", {"path": "deep/tree", "split": "split.json", "size": 8})
    assert prepare(first).fingerprint == prepare(second).fingerprint
    assert key_content(first) == key_content(second)
    assert key_content(first)["settings"] == {"size": 8, "grey": False}
    third = resolve_component("dataset", "imagefolder", {"path": "deep/tree", "size": 8})
    assert prepare(third).fingerprint != prepare(second).fingerprint


def test_a_nested_component_keeps_its_place_out_of_the_key_too() -> None:
    refs = [resolve_component("dataset", "imagefolder", {"path": path}) for path in ("here", "there")]
    joined = [resolve_component("dataset", "union", {"parts": [ref]}) for ref in refs]
    assert joined[0].settings != joined[1].settings
    assert key_content(joined[0]) == key_content(joined[1])


def test_ways_to_divide_the_same_samples_share_one_table(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def divided(split: str | None) -> ComponentRef:
        return resolve_component("dataset", "imagefolder", {"path": str(tree), "split": split, "size": 8, "grey": True})

    lists = tree.parent / "split.json"
    lists.write_text(json.dumps({"train": ["a"], "test": ["b"]}))
    whole = prepare(divided(None))
    with monkeypatch.context() as patch:
        patch.setattr(ImageFolder, "decode", None)
        first = prepare(divided(str(lists)))
        lists.write_text(json.dumps({"test": ["a", "b"]}))
        second = prepare(divided(str(lists)))
    assert first.table.folder == second.table.folder == whole.table.folder
    assert (first.split.train, second.split.train, whole.split.train) == ((0,), (), ())
    assert len({first.fingerprint, second.fingerprint}) == 2
    lists.unlink()
    with pytest.raises(BenchbenchError, match=r"split\.json"):
        prepare(divided(str(lists)))


def test_another_split_is_another_fingerprint_without_decoding_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a later release of a plugin mends its class lists."""
    ref = resolve_component("dataset", "digits")
    before = prepare(ref).fingerprint
    monkeypatch.setattr(Digits, "samples", None)
    monkeypatch.setattr(Digits, "split", lambda self, table: ClassSplit(test=(1, 2)))
    after = prepare(ref)
    assert after.split.test == (1, 2)
    assert after.fingerprint != before


def test_two_trees_share_no_table(tree: Path, tmp_path: Path) -> None:
    """Same settings but the place: what is prepared for one is not taken for the other."""
    other = tmp_path / "other"
    shutil.copytree(tree, other)
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(other / "a" / "0.png")
    prepare(of_tree(tree))
    prepare(of_tree(other))
    assert prepare(of_tree(tree)).table.x[0].max() == 0
    assert prepare(of_tree(other)).table.x[0].max() == 99


def test_sources_and_file_names_are_kept(tree: Path) -> None:
    table = prepare(of_tree(tree)).table
    assert table.files == ("a/0.png", "a/1.png", "b/0.png", "b/1.png")
    assert list(table.source_digests) == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_files_that_change_while_they_are_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ImageFolder.decode

    def meddling(self: ImageFolder, item: tuple[Path, str]) -> Iterator[Sample]:
        os.utime(tree / "a" / "0.png", ns=(1, 1))
        return whole(self, item)  # type: ignore[return-value]

    monkeypatch.setattr(ImageFolder, "decode", meddling)
    with pytest.raises(BenchbenchError, match="dataset imagefolder: its files changed while they were read"):
        prepare(of_tree(tree))
    assert prepared(of_tree(tree)) is None


def many(folder: Path, count: int) -> Path:
    """Two classes, each image of another grey level."""
    for i in range(count):
        path = folder / "many" / f"{'ab'[i % 2]}" / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(path)
    return folder / "many"


def test_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks in two processes, against this process; progress runs to the end; a bad file is named."""
    ref = of_tree(many(tmp_path, 100))
    here = prepare(ref).table
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "other"))
    seen: list[tuple[int, int | None]] = []
    there = prepare(ref, jobs=2, report=lambda done, total: seen.append((done, total))).table
    assert here.folder != there.folder
    assert here.files == there.files
    assert (here.pixel_hash, here.fingerprint) == (there.pixel_hash, there.fingerprint)
    assert there.x[:, 0, 0, 0].tolist() == [*range(0, 100, 2), *range(1, 100, 2)]
    assert (seen[0], seen[-1]) == ((0, 100), (100, 100))
    (tmp_path / "many" / "b" / "077.png").write_bytes(b"no image")
    with pytest.raises(BenchbenchError, match=r"077\.png cannot be read"):
        prepare(ref, jobs=2)
    assert [p for p in (tmp_path / "other" / "tables").glob(".*") if p.is_dir()] == []


def in_process(body: Callable[..., None], *arguments: Any) -> Any:
    """A forked process: it shares what this one has imported and patched."""
    process = multiprocessing.get_context("fork").Process(target=body, args=arguments)
    process.start()
    return process


def slow(monkeypatch: pytest.MonkeyPatch, log: Path, seconds: float) -> None:
    """Each decoded image writes a line and takes its time."""
    whole = ImageFolder.decode

    def decode(self: ImageFolder, item: tuple[Path, str]) -> Iterator[Sample]:
        with log.open("a") as file:
            file.write(f"{item[1]}\n")
        time.sleep(seconds)
        return whole(self, item)  # type: ignore[return-value]

    monkeypatch.setattr(ImageFolder, "decode", decode)


def wait_for(happened: Callable[[], bool]) -> None:
    for _ in range(1000):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_killed_preparation_leaves_nothing_that_looks_finished(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, log = of_tree(tree), tmp_path / "log"
    with monkeypatch.context() as patch:
        slow(patch, log, 60)
        process = in_process(prepare, ref)
        wait_for(log.exists)
        process.kill()
        process.join()
    left = [p for p in (cache_root() / "tables").iterdir() if p.is_dir()]
    assert [p.name[0] for p in left] == ["."]
    assert prepared(ref) is None
    assert len(prepare(ref).table) == 4
    assert [p for p in (cache_root() / "tables").iterdir() if p.is_dir()] == [prepare(ref).table.folder]


def test_two_processes_at_once_build_once(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref, log = of_tree(tree), tmp_path / "log"
    slow(monkeypatch, log, 0.05)
    processes = [in_process(prepare, ref) for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text().split() == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert len(prepare(ref).table) == 4
