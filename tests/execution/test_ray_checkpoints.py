"""Checkpoints in folders and at addresses, and what of a scratch store changed."""

import pytest

from benchbench.errors import BenchbenchError, StorageError
from benchbench.execution.ray_checkpoints import Folder, Url, Watched, place

STAGE = "0123456789abcdef" * 4
NAME = "0123456789abcdef/resume.safetensors"


@pytest.fixture(params=["folder", "file", "memory"])
def where(request, tmp_path):
    """A place that is not there yet."""
    return {"folder": str(tmp_path / "kept"), "file": f"file://{tmp_path}/kept", "memory": "memory://kept"}[
        request.param
    ]


def test_what_is_written_is_read_until_it_is_removed(where):
    kept = place(where)
    assert isinstance(kept, Url if "://" in where else Folder)
    assert kept.read([STAGE]) == {}
    kept.write(NAME, b"old")
    kept.write(NAME, b"new")
    kept.write("ffffffffffffffff/final.safetensors", b"another stage")
    assert kept.read([STAGE]) == {NAME: b"new"}
    kept.write(NAME, None)
    kept.write(NAME, None)
    assert kept.read([STAGE]) == {}


def test_an_address_that_nothing_opens_is_refused():
    with pytest.raises(BenchbenchError, match="checkpoints nowhere://x: fsspec cannot open it"):
        place("nowhere://x")


@pytest.mark.parametrize("where", ["{folder}", "file://{folder}"])
def test_what_cannot_be_written_is_the_storage_and_nobodys_training(tmp_path, where):
    (tmp_path / "kept").write_text("a file, where a folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        place(where.format(folder=tmp_path / "kept")).write(NAME, b"new")


def test_only_what_changed_is_told(tmp_path):
    watched = Watched(tmp_path, {NAME: b"from before"})
    assert (tmp_path / NAME).read_bytes() == b"from before"
    assert list(watched.changes()) == []
    Folder(tmp_path).write(NAME, b"from befora")  # as long as the other
    Folder(tmp_path).write("0123456789abcdef/best.safetensors", b"best")
    assert list(watched.changes()) == [("0123456789abcdef/best.safetensors", b"best"), (NAME, b"from befora")]
    (tmp_path / NAME).unlink()
    assert list(watched.changes()) == [(NAME, None)]
    assert list(watched.changes()) == []
