"""Reading and writing TFRecord files: bytes as TensorFlow has them, faults named by file and offset."""

import os
from pathlib import Path

import pytest

from benchbench import BenchbenchError, RecordFile
from benchbench.data.meta_dataset.tfrecord import masked_crc, read_tfrecord, write_tfrecord

RECORDS = [b"", b"abc", bytes(range(256)) * 4, b"last"]
#: Where each begins: 16 bytes of framing beside each record.
OFFSETS = [0, 16, 35, 1075]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "7.tfrecords"
    assert write_tfrecord(path, RECORDS) == 4
    return path


def test_checksum() -> None:
    # The check value of CRC-32C (RFC 3720) is e3069283; masked, by the rule of the format.
    crc = 0xE3069283
    assert masked_crc(b"123456789") == (((crc >> 15) | (crc << 17 & 0xFFFFFFFF)) + 0xA282EAD8) % 2**32


def test_bytes_of_an_empty_record(file: Path) -> None:
    # As TensorFlow writes it: length 0, the checksums of eight zero bytes and of none.
    assert file.read_bytes()[:16] == bytes(8) + bytes.fromhex("29039807d8ea82a2")


def test_what_is_written_is_read(file: Path) -> None:
    assert list(read_tfrecord(file)) == RECORDS
    held = RecordFile(file)
    assert len(held) == 4
    assert [held[i] for i in (3, 1, 0, 2)] == [RECORDS[i] for i in (3, 1, 0, 2)]


def test_the_index_is_made_once_and_again_when_the_file_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RecordFile(file)
    with monkeypatch.context() as patch:
        patch.setattr("benchbench.data.meta_dataset.tfrecord._offsets", None)
        assert RecordFile(file)[3] == b"last"
    write_tfrecord(file, [b"other"])
    os.utime(file, ns=(1, 1))
    held = RecordFile(file)
    assert (len(held), held[0]) == (1, b"other")


def test_a_broken_index_is_made_again(file: Path, tmp_path: Path) -> None:
    RecordFile(file)
    (index,) = (tmp_path / "cache" / "record-indexes").iterdir()
    index.write_bytes(b"half")
    assert RecordFile(file)[1] == b"abc"


@pytest.mark.parametrize(("at", "record"), [(20, 1), (35 + 8, 2), (35 + 500, 2), (1075 + 14, 3), (1075 + 17, 3)])
def test_a_flipped_bit_is_found_with_its_offset(file: Path, at: int, record: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 0x10
    file.write_bytes(raw)
    with pytest.raises(BenchbenchError, match=rf"7.tfrecords: the record at byte {OFFSETS[record]} is corrupt"):
        list(read_tfrecord(file))
    with pytest.raises(BenchbenchError, match=rf"byte {OFFSETS[record]} is corrupt"):
        _ = RecordFile(file)[record]


@pytest.mark.parametrize("length", [1075 + 5, 1075 + 13, 1075 + 18])
def test_a_file_that_is_cut_short(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(BenchbenchError, match=r"7.tfrecords: the record at byte 1075 is truncated"):
        list(read_tfrecord(file))
    with pytest.raises(BenchbenchError, match=r"7.tfrecords.* truncated"):
        RecordFile(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BenchbenchError, match=r"9.tfrecords cannot be read: No such file"):
        RecordFile(tmp_path / "9.tfrecords")
