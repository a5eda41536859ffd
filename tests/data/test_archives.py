"""Unpacking writes nowhere but where it was told to, whole or not at all."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchbench import BenchbenchError
from benchbench.data import archives
from benchbench.data.archives import is_archive, unpack


def tar(path: Path, members: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        for info in special:
            out.addfile(info)
    return path


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def found(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("make", [tar, zipped])
def test_unpacks_into_what_is_there(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    target = tmp_path / "data"
    (target / "tree" / "a").mkdir(parents=True)
    (target / "tree" / "a" / "old.txt").write_bytes(b"old")
    archive = make(tmp_path / "archive", {"tree/a/1.txt": b"one", "./tree/b/2.txt": b"two", "top.txt": b"three"})
    assert is_archive(archive)
    unpack(archive, target)
    assert found(target) == {
        "top.txt": b"three",
        "tree/a/1.txt": b"one",
        "tree/a/old.txt": b"old",
        "tree/b/2.txt": b"two",
    }
    assert [p for p in target.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/outside/out.txt", "a\\..\\out.txt", "C:/out.txt"])
@pytest.mark.parametrize("make", [tar, zipped])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, make, name: str) -> None:  # type: ignore[no-untyped-def]
    archive = make(tmp_path / "archive", {"good.txt": b"good", name: b"bad"})
    with pytest.raises(BenchbenchError, match=r"archive .*leads out of the folder"):
        unpack(archive, tmp_path / "data")
    assert found(tmp_path) == {"archive": archive.read_bytes()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("special")
    info.type, info.linkname = kind, "good.txt"
    archive = tar(tmp_path / "archive", {"good.txt": b"good"}, info)
    with pytest.raises(BenchbenchError, match=r"archive .*: special is a link or a device: refused"):
        unpack(archive, tmp_path / "data")
    assert found(tmp_path / "data") == {}


def test_a_link_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as out:
        out.writestr(info, "/etc/passwd")
    with pytest.raises(BenchbenchError, match="link is a link or a device"):
        unpack(tmp_path / "archive", tmp_path / "data")


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_bomb_is_refused(tmp_path: Path, make, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """A megabyte of zeros shrinks to a thousandth."""
    monkeypatch.setattr(archives, "SMALL", 1000)
    archive = make(tmp_path / "archive", {"zeros": bytes(1 << 20)})
    with pytest.raises(BenchbenchError, match="would grow beyond 20 times its size"):
        unpack(archive, tmp_path / "data")
    assert found(tmp_path / "data") == {}


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_damaged_archive_is_named(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    noise = np.random.RandomState(0)
    archive = make(tmp_path / "archive", {"a": noise.bytes(5000), "b": noise.bytes(5000)})
    raw = bytearray(archive.read_bytes())
    raw[4000:4100] = bytes(100)
    archive.write_bytes(bytes(raw))
    with pytest.raises(BenchbenchError, match=r"archive .*archive cannot be unpacked"):
        unpack(archive, tmp_path / "data")
    assert found(tmp_path / "data") == {}
