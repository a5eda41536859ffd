"""Text that people write and find: UTF-8 with or without a byte-order mark, tables, names in one normal form, paths."""

import codecs
import csv
import io
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from benchbench.errors import BenchbenchError, suggest

_SIXTEEN = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(data: bytes, where: object) -> str:
    """UTF-8 bytes as text, without a byte-order mark. Raises BenchbenchError, which begins with `where`, for another
    encoding."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = "UTF-16" if data.startswith(_SIXTEEN) else f"another encoding (byte 0x{data[error.start]:02x})"
        line = data.count(b"\n", 0, error.start) + 1
        raise BenchbenchError(f"{where}: line {line}: expected UTF-8 text, got {found}: save it as UTF-8") from None


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark. Raises BenchbenchError that names the file if it cannot be
    read or is in another encoding."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchbenchError(f"{path}: cannot be read: {error.strerror or error}") from None
    return decode_text(data, path)


def read_table(path: Path, columns: Iterable[str | tuple[str, ...]]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, as `read_text` reads it. `columns` must be there, and none of their cells
    empty; a column that goes by several names is given as all of them and found under the first.

    Raises BenchbenchError that names the file and the line.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        held = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = held
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BenchbenchError(f"{path}: line {reader.line_num + 1}: expected a CSV file: {error}") from None
    if twice := {name for name in held if held.count(name) > 1}:
        raise BenchbenchError(f"{path}: has two columns {min(twice)!r}")
    for column in columns:
        names = (column,) if isinstance(column, str) else column
        found = next((name for name in names if name in held), None)
        if found is None:
            expected = " or ".join(map(repr, names))
            raise BenchbenchError(f"{path}: has no column {expected}{suggest(names[0], held)}")
        for line, row in rows:
            if not (row[found] or "").strip():
                raise BenchbenchError(f"{path}: line {line} has no value for {found!r}")
            row[names[0]] = row[found]
    return [row for _, row in rows]


def normal(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which names are compared: a Mac decomposes accents."""
    return unicodedata.normalize("NFC", name)


def located(path: str, root: Path | None) -> Path:
    """The path that a setting names: ``~`` and environment variables are expanded; a relative one is below `root`."""
    return (root or Path()) / os.path.expandvars(os.path.expanduser(path))


def portable(path: str) -> str:
    """What a record holds of the path that a setting names: one below ``BENCHBENCH_DATA`` as it is, of any other its
    last part, which tells nothing of a machine."""
    whole = os.path.expandvars(os.path.expanduser(path))
    return os.path.basename(whole.rstrip("/\\")) if whole != path or os.path.isabs(whole) else path


def check_file_name(path: object, where: str) -> None:
    """Raise BenchbenchError, which begins with `where`, if a file's name is not UTF-8: no table or record could hold
    it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="surrogateescape").decode(errors="replace")
        raise BenchbenchError(f"{where}: the name of {shown} is not UTF-8: rename it") from None
