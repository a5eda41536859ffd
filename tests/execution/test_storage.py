"""A disk that is full or cannot be written: a clear message, exit code 2, nothing half written, and it goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchbench
from benchbench.errors import StorageError
from benchbench.execution.logs import HEAD, MARK, TAIL, BoundedLog
from benchbench.store.files import Store, atomic_write

from .conftest import COMMAND, lines, stable

#: Run the command as if the disk were full beyond files of this many bytes.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from benchbench.cli import main
main(sys.argv[2:])
"""


def test_a_checkpoint_that_does_not_fit_ends_the_run_and_it_goes_on_later(matrix, launch, tmp_path):
    store = tmp_path / "full"
    # The plan fits, a checkpoint does not.
    driver = launch(LIMITED, 12_000, "run", "--matrix", matrix, "--results", store, "--jobs", "2", "--seeds", "0")
    _, err = driver.wait()
    assert driver.returncode == 2, err
    assert "safetensors cannot be written: File too large; what is finished is kept, run again to go on" in err
    assert "Traceback" not in err
    assert lines(store) == [], "no training failed"
    assert not [p for p in store.rglob("*") if p.name.startswith(".") or p.suffix == ".lease"]
    later = benchbench.run(matrix, store, executor="inline", seeds=[0])
    assert (later.trained, later.failed) == (5, [])


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of 96 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(matrix, launch, disk):
    store, options = disk / "runs", ("--jobs", "2", "--seeds", "0")
    driver = launch(COMMAND, "run", "--matrix", matrix, "--results", store, *options)
    _, err = driver.wait()
    assert driver.returncode == 2, err
    assert "No space left on device; what is finished is kept, run again to go on" in err
    assert "Traceback" not in err
    assert all(r["status"] == "ok" for r in lines(store))
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    later = benchbench.run(matrix, store, executor="inline", seeds=[0])
    assert later.failed == []
    assert len(lines(store)) == 10


def test_a_disk_that_is_read_only(command, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    code, _, err = command("run", "--matrix", "ci", "--results", disk / "runs")
    assert (code, err) == (2, f"error: results folder {disk / 'runs'} cannot be written: Read-only file system\n")


@pytest.mark.parametrize("below", [False, True])
def test_a_folder_that_cannot_be_written(command, tmp_path, below):
    folder = Path("/proc") if below else tmp_path / "runs"
    if not below:
        folder.mkdir()
        folder.chmod(0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
    code, _, err = command("run", "--matrix", "ci", "--results", folder / "nowhere" if below else folder)
    assert (code, err.count("error: results folder ")) == (2, 1)
    assert "cannot be written" in err


def test_what_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="file cannot be written: No space left on device"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_half_written_goes_once_it_is_old(command, tmp_path, monkeypatch):
    atomic_write(tmp_path / "plans" / "a.json", b'{"matrix": "a", "trainings": []}')
    (tmp_path / "records").mkdir()
    with monkeypatch.context() as killed:
        # As a kill does, the end of the process spares nobody's files.
        killed.setattr(os, "replace", lambda *_: os.stat("/nowhere"))
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        for name in ("records/0123456789abcdef.jsonl", "plans/a.json"):
            with pytest.raises(StorageError):
                atomic_write(tmp_path / name, b"half")
    left = {path for name in ("records", "plans") for path in (tmp_path / name).glob(".*")}
    (tmp_path / "records" / ".hidden").touch()
    assert len(left) == 2
    assert "removed 0 files" in command("gc", tmp_path)[1]
    assert all(path.exists() for path in left), "somebody may be writing them"
    for path in (*left, tmp_path / "records" / ".hidden", tmp_path / "plans" / "a.json"):
        os.utime(path, (path.stat().st_mtime - 61,) * 2)
    assert "would remove 2 files" in command("gc", tmp_path, "--dry-run")[1]
    assert "removed 2 files" in command("gc", tmp_path)[1]
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"plans/a.json", "records/.hidden"}


def test_a_line_cut_in_half_is_no_record_and_its_cell_is_done_again(matrix, tmp_path):
    def run() -> dict:
        only = {"pretext": ["labels"], "meta": ["nearest-centroid"]}
        benchbench.run(matrix, tmp_path, seeds=[0], only=only, executor="inline")
        return stable(tmp_path)

    whole = run()
    (path,) = (tmp_path / "records").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-100])
    assert len(Store(tmp_path).records(next(iter(whole.values()))["training_key"])) == 1
    assert run() == whole


def test_a_log_keeps_its_beginning_and_its_end(tmp_path):
    log = BoundedLog(tmp_path / "logs" / "a.log")
    numbers = [b"%09d\n" % i for i in range(500_000)]
    for i in range(0, len(numbers), 5_000):
        log.write(b"".join(numbers[i : i + 5_000]))
    content = log.path.read_bytes()
    head, tail = content.split(MARK)
    assert head == b"".join(numbers)[:HEAD]
    assert TAIL <= len(tail) <= 2 * TAIL
    assert b"".join(numbers).endswith(tail)
    assert log.tail().endswith("000499999\n")
