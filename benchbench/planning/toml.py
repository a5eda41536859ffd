"""Reading TOML that anybody may have written."""

import re
import tomllib
from pathlib import Path
from typing import Any

from benchbench.components.limits import DEEPEST, check_values
from benchbench.errors import BenchbenchError
from benchbench.userfiles import decode_text

#: Bytes of a TOML file; the largest packaged matrix has 5 kB.
LARGEST = 2**20
#: A dotted key with so many parts that the parser, whose time is quadratic in them, would not come to an end.
_DOTTED = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]+[ \t]*\.[ \t]*){{{DEEPEST}}}")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The content of a TOML document, its values unchecked. Raises TOMLDecodeError for a syntax error, BenchbenchError,
    which begins with `where`, for what Python's parser has no answer to."""
    try:
        if _DOTTED.search(text):
            raise RecursionError
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise BenchbenchError(f"{where}: nested more than {DEEPEST} deep") from None
    except ValueError:
        # Python reads no integer of more than 4,300 digits, and no 30th of February.
        raise BenchbenchError(f"{where}: a number is too long, or a date or time does not exist") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises BenchbenchError naming the file and, for a syntax error, the line; for a value
    outside the limits (`benchbench.components.limits`), the key."""
    try:
        # A pipe or a device may have no end.
        if path.exists() and not path.is_file():
            raise BenchbenchError(f"{path}: expected a TOML file, not a folder, pipe or device")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise BenchbenchError(f"{path}: cannot be read: {error}") from None
    if len(data) > LARGEST:
        raise BenchbenchError(f"{path}: larger than {LARGEST:,} bytes, which no matrix needs")
    try:
        content = parse_toml(decode_text(data, path), str(path))
    except tomllib.TOMLDecodeError as error:
        raise BenchbenchError(f"{path}: TOML syntax error: {error}") from None
    check_values(str(path), content)
    return content
