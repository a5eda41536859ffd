"""Lines of record files that are wrong somewhere, made from valid ones at random."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchbench.store.lines import LONGEST
from benchbench.store.records import parse_record

ROOT = Path(__file__).parents[2] / "results"
#: What no field expects, as JSON: some of it is none.
TOKENS = [
    *["null", "true", "false", "{}", "[]", "[[]]", '[""]', '[{"a": []}]', '{"": 1}', '{"name": []}', '{"x": {"y": 1}}'],
    *[
        "0",
        "1",
        "-1",
        "-0.0",
        "1.0",
        "1.5",
        "1e3",
        "1e300",
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "-Infinity",
    ],
    *["[1e400]", '{"a": NaN}', "01", "+1", "1.", ".5", "0x10", "9223372036854775807", "9223372036854775808"],
    *["-9223372036854775809", "9" * 30, "9" * 5_000, "[" + "9" * 40 + "]", "9" * 25 + ".5", "9" * 19 + "e2"],
    *[
        '""',
        '" "',
        '"x"',
        '"1"',
        '"ok"',
        '"failed"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"a\\nb"',
        '"\\u202e"',
    ],
    *['"💥"', '"/dev/zero"', '"../../x"', '"' + "y" * 20_000 + '"', '"\\x"', "'x'", '{"\\ud800": 1}', "undefined", ""],
    *["[" * n + "]" * n for n in (10, 60, 63, 64, 65, 500, 5_000, 100_000)],
    *['{"a":' * n + "1" + "}" * n for n in (10, 64, 65, 5_000)],
]
#: What no line expects among its bytes.
BYTES = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b'"',
    b",",
    b"\\",
    b"\xe2\x80\xa8",
    b"1e400",
    b" ",
]
NAMES = ["", "x", "schema_version", "external", "origin", "\0", "values", "name", "tuned", "overlap"]
VERSIONS = ["0", "1", "2", "3", "4", "99", "-1", "2.0", "3.0", "1e0", "true", '"3"', "null", "[3]", "9" * 30]
_MARK = "@@spoilt@@"


def valid(folder: str, files: int, start: int = 0) -> list[bytes]:
    """The lines of some committed record files of schema 2."""
    paths = sorted((ROOT / folder / "records").glob("*.jsonl"))[start : start + files]
    return [line for path in paths for line in path.read_bytes().splitlines()]


def today(line: bytes) -> bytes:
    """The same record under the current schema."""
    return parse_record(line).model_dump_json().encode()


def spoilt(rng: Random, line: bytes) -> bytes:
    """A line with one or two things wrong, or looking so: some of them are still records."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        (wrong,) = rng.choices(list(WAYS), WAYS.values())
        line = wrong(rng, line)
    return line


def _place(rng: Random, content: dict[str, Any]) -> tuple[Any, Any]:
    """A container somewhere inside and one of its keys; rarely one of the many scores."""
    held: Any = content
    while True:
        key = rng.choice(list(held)) if isinstance(held, dict) else rng.randrange(len(held))
        if not (isinstance(held[key], dict | list) and held[key]) or rng.random() < 0.2:
            return held, key
        held = held[key]


def _changed(rng: Random, line: bytes, change: Callable[[Random, dict[str, Any]], str]) -> bytes:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(content, dict) or not content:
        return line
    token = change(rng, content)
    return (
        json.dumps(content, ensure_ascii=rng.random() < 0.5)
        .encode(errors="replace")
        .replace(f'"{_MARK}"'.encode(), token.encode())
    )


def _value(rng: Random, line: bytes) -> bytes:
    def change(rng: Random, content: dict[str, Any]) -> str:
        held, key = _place(rng, content)
        held[key] = _MARK
        return rng.choice(TOKENS)

    return _changed(rng, line, change)


def _removed(rng: Random, line: bytes) -> bytes:
    def change(rng: Random, content: dict[str, Any]) -> str:
        held, key = _place(rng, content)
        del held[key]
        return ""

    return _changed(rng, line, change)


def _added(rng: Random, line: bytes) -> bytes:
    def change(rng: Random, content: dict[str, Any]) -> str:
        held, _ = _place(rng, content)
        if isinstance(held, dict):
            held[rng.choice(NAMES)] = _MARK
        else:
            held.append(_MARK)
        return rng.choice(TOKENS)

    return _changed(rng, line, change)


def _version(rng: Random, line: bytes) -> bytes:
    return re.sub(rb'"schema_version": ?\d+', b'"schema_version":' + rng.choice(VERSIONS).encode(), line)


def _doubled(rng: Random, line: bytes) -> bytes:
    """A name that stands twice: readers take the last."""
    return b'{"%s": %s, ' % (rng.choice(NAMES).encode(), rng.choice(TOKENS).encode()) + line[1:]


def _cut(rng: Random, line: bytes) -> bytes:
    return line[: rng.randrange(len(line) + 1)]


def _sprinkled(rng: Random, line: bytes) -> bytes:
    at = rng.randrange(len(line) + 1)
    return line[:at] + rng.choice(BYTES) + line[at + rng.randrange(2) :]


def _long(rng: Random, line: bytes) -> bytes:
    """Just too long, or just not."""
    return line + b" " * (LONGEST - len(line) + rng.choice((-1, 0, 1, 1 << 20)))


#: How often each way is taken.
WAYS = {_value: 40, _removed: 12, _added: 12, _version: 8, _doubled: 5, _cut: 8, _sprinkled: 14, _long: 1}
