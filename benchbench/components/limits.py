"""Limits of what settings may be, so that a slip of the pen is refused before data are prepared, episodes drawn or
memory taken.

Numbers are finite, integers have 64 bits, texts at most `LONGEST` characters, and tables and lists are nested at most
`DEEPEST` deep. A number of one of the names in `MOST`, whichever component's setting it is, is at most so large.
"""

import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from benchbench.errors import BenchbenchError

DEEPEST = 64
LONGEST = 10_000
MOST = {
    "episodes": 10_000,
    "ways": 1_000,
    "shots": 1_000,
    "queries": 1_000,
    "meta_batch": 1_000,
    "batch_size": 65_536,
    "size": 1_024,
    "per_class": 100_000,
    "width": 8_192,
    "depth": 1_000,
    "jobs": 10_000,
}


def quoted(value: object, most: int = 100) -> str:
    """A value as error messages show it, cut down to `most` characters. It is text, or has passed `check_values`."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def check_values(where: str, content: object) -> None:
    """Raise BenchbenchError, which begins with `where` and names the key, for a value outside the limits."""
    _check(where, content, ())


def _check(where: str, value: Any, key: tuple[str, ...]) -> None:
    if len(key) > DEEPEST:
        raise BenchbenchError(f"{where}: {'.'.join(key[:3])}...: nested more than {DEEPEST} deep")
    fault = None
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(name, str) and (fault := _text_fault(name)):
                raise BenchbenchError(f"{where}: key {quoted(name)}: {fault}")
            _check(where, item, (*key, str(name)))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(where, item, (*key, str(number)))
    elif isinstance(value, str):
        fault = _text_fault(value)
    elif isinstance(value, int | float):
        fault = _number_fault(value, next((k for k in reversed(key) if not k.isdecimal()), ""))
    elif isinstance(value, date | time):
        fault = f"a number, text, table or list is expected, got the time {value}"
    if fault:
        raise BenchbenchError(f"{where}: {'.'.join(key)}: {fault}" if key else f"{where}: {fault}")


def _number_fault(value: float, name: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"a finite number is expected, got {value}"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"an integer of 64 bits is expected, got one of {value.bit_length()}"
    if name in MOST and value > MOST[name]:
        return f"at most {MOST[name]:,} is expected, got {value}"
    return None


def _text_fault(text: str) -> str | None:
    if len(text) > LONGEST:
        return f"at most {LONGEST:,} characters are expected, got {len(text):,}"
    return "UTF-8 text without null bytes is expected" if odd(text) else None


def odd(text: str) -> bool:
    """Whether a text holds null bytes, or surrogates, which bytes become that are no UTF-8."""
    return "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)
