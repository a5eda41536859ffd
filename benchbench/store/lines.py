"""Lines of record files, read without trusting them: reading neither hangs nor ends in a traceback."""

import codecs
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, TypeVar

#: Bytes of a line: a record of 10,000 episodes and their curve takes about 1 MiB.
LONGEST = 1 << 24
#: Bytes of a file that is read at once: a line of 600 episodes takes 6 KiB.
SMALL = 1 << 18
#: Levels of nested lists and objects in a record.
DEEPEST = 64

T = TypeVar("T")


def lines_of(path: Path | str) -> Iterator[tuple[int, bytes]]:
    """(number from 1, text) of each line of a file that is not blank; of one longer than `LONGEST` only the beginning.

    Raises ValueError if it is no regular file or cannot be read.
    """
    # No `Path`: making one takes as long as reading the file.
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody to write into it.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as raw:
            about = os.fstat(raw.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ValueError("not a regular file")
            # A buffered reader takes as long to make as a small file to read.
            file = BytesIO(raw.readall()) if about.st_size < SMALL else BufferedReader(raw)
            number = 0
            # Binary lines end only at line feeds: names and reasons may contain Unicode line separators.
            while line := file.readline(LONGEST + 1):
                number += 1
                if number == 1:
                    # Editors on Windows put a byte-order mark before UTF-8 text.
                    line = line.removeprefix(codecs.BOM_UTF8)
                if line.strip():
                    yield number, line.rstrip(b"\n")
                while not line.endswith(b"\n") and len(line) > LONGEST:
                    line = file.readline(LONGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def decoded_lines(file: str, decode: Callable[[bytes], T]) -> tuple[list[tuple[int, T]], list[str]]:
    """(line number, what `decode` returns) for each line of one file, and one message per unreadable line."""
    found, problems = [], []
    try:
        for number, line in lines_of(file):
            try:
                found.append((number, decode(line)))
            except (ValueError, RecursionError) as error:
                problems.append(f"{printable(file)}:{number}: not a whole record, left out ({_first_line(error)})")
    except ValueError as error:
        problems.append(f"{printable(file)}: left out ({_first_line(error)})")
    return found, problems


def _first_line(error: ValueError | RecursionError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]


def printable(text: object) -> str:
    """Text on one line that no terminal or encoder stumbles over."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def parsed(line: str | bytes) -> Any:
    """The value of a line of JSON. Raises ValueError for what is not JSON, or no record could hold: see `fault`."""
    if len(line) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST >> 20} MiB")
    try:
        value = json.loads(line)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    if problem := fault(value):
        raise ValueError(problem)
    return value


def fault(value: Any) -> str:
    """Why no record may hold a value, with its place; empty if one may. Refused are numbers that are not finite or
    need more than 64 bits, text that is not Unicode, and nesting beyond `DEEPEST`."""
    todo = [(value, "", 0)]
    while todo:
        held, where, depth = todo.pop()
        kind = type(held)
        if kind is float and not math.isfinite(held):
            return f"{where or 'it'} is not finite"
        if kind is int and not -(1 << 63) <= held < 1 << 63:
            return f"{where or 'it'} needs more than 64 bits"
        if kind is str and not _is_unicode(held):
            return f"{where or 'it'} is not Unicode text"
        if kind is not dict and kind is not list:
            continue
        if depth == DEEPEST:
            return f"it is nested more than {DEEPEST} levels deep"
        if kind is dict:
            if bad := next((name for name in held if not _is_unicode(name)), None):
                return f"{where or 'it'} has the name {bad!a}, which is not Unicode text"
            todo += [(v, f"{where}.{k}" if where else k, depth + 1) for k, v in held.items()]
        else:
            # Scores: nearly all of a record, and numbers alone.
            if len(held) > 16 and all(type(v) is int and -(1 << 31) < v < 1 << 31 for v in held):
                continue
            todo += [(v, f"{where}.{i}", depth + 1) for i, v in enumerate(held)]
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
