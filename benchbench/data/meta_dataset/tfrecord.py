"""TFRecord files: framing, checksums and random access.

A record is its length (uint64), a masked CRC-32C of these 8 bytes (uint32), the data, and a masked CRC-32C of the data
(uint32), all little-endian: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

import hashlib
import io
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

from benchbench.data.prepare import cache_root
from benchbench.errors import BenchbenchError

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and offset so that it is no weaker for data that contain checksums."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write_tfrecord(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a file; returns how many."""
    count = 0
    with path.open("wb") as out:
        for record in records:
            length = struct.pack("<Q", len(record))
            out.write(HEADER.pack(len(record), masked_crc(length)))
            out.write(record)
            out.write(FOOTER.pack(masked_crc(record)))
            count += 1
    return count


def read_tfrecord(path: Path) -> Iterator[bytes]:
    """Every record of a file, in order. Raises a BenchbenchError that names the file and offset of a truncated or
    corrupt record."""
    with _open(path) as file:
        size, offset = os.fstat(file.fileno()).st_size, 0
        while offset < size:
            record = _record(file, path, offset)
            yield record
            offset += HEADER.size + len(record) + FOOTER.size


class RecordFile:
    """A TFRecord file with random access: ``len(file)`` records, ``file[i]`` the bytes of one.

    The offsets of its records are found once and kept in the cache; the index is rebuilt when the file changes.
    """

    def __init__(self, path: Path):
        self.path = path
        self._offsets = _index(path, cache_root() / "record-indexes")

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, i: int) -> bytes:
        with _open(self.path) as file:
            return _record(file, self.path, int(self._offsets[i]))


def _index(path: Path, folder: Path) -> np.ndarray:
    try:
        status = path.stat()
    except OSError as error:
        raise BenchbenchError(f"TFRecord file {path} cannot be read: {error.strerror}") from None
    identity = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    place = folder / f"{path.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npy"
    try:
        return np.load(place)
    except (OSError, ValueError):
        offsets = np.fromiter(_offsets(path, status.st_size), np.int64)
    folder.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.save(content, offsets)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{place.stem}-")
    with os.fdopen(handle, "wb") as out:
        out.write(content.getvalue())
    Path(name).replace(place)
    return offsets


def _offsets(path: Path, size: int) -> Iterator[int]:
    """Where the records begin, from their lengths alone: the bytes in between are not read."""
    with _open(path) as file:
        offset = 0
        while offset < size:
            yield offset
            offset += HEADER.size + _length(file, path, offset) + FOOTER.size
        if offset > size:
            raise BenchbenchError(f"TFRecord file {path} ends within its last record: it is truncated")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BenchbenchError(f"TFRecord file {path} cannot be read: {error.strerror}") from None


def _length(file: BinaryIO, path: Path, offset: int) -> int:
    file.seek(offset)
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        raise BenchbenchError(f"TFRecord file {path}: the record at byte {offset} is truncated")
    length, checksum = HEADER.unpack(header)
    if masked_crc(header[:8]) != checksum:
        raise BenchbenchError(f"TFRecord file {path}: the record at byte {offset} is corrupt: its length fails its CRC")
    return length


def _record(file: BinaryIO, path: Path, offset: int) -> bytes:
    length = _length(file, path, offset)
    record, footer = file.read(length), file.read(FOOTER.size)
    if len(footer) < FOOTER.size:
        raise BenchbenchError(f"TFRecord file {path}: the record at byte {offset} is truncated")
    if FOOTER.unpack(footer)[0] != masked_crc(record):
        raise BenchbenchError(f"TFRecord file {path}: the record at byte {offset} is corrupt: its data fail their CRC")
    return record
