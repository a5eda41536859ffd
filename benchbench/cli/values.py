"""``KEY=VALUE`` on the command line."""

import tomllib
from collections.abc import Iterable
from typing import Any

from benchbench.errors import BenchbenchError


def parse_settings(pairs: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Values are parsed as TOML, or kept as text if they are not TOML. Raises BenchbenchError naming `option` for a
    pair without ``=``."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BenchbenchError(f"{option} {pair}: expected KEY=VALUE")
        try:
            found[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = text
    return found


def parse_only(pairs: Iterable[str]) -> dict[str, list[str]]:
    """``axis=name`` or ``axis=name,name``; an axis may be repeated."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        axis, equals, names = pair.partition("=")
        if not equals or not names:
            raise BenchbenchError(f"--only {pair}: expected AXIS=NAME")
        found.setdefault(axis, []).extend(names.split(","))
    return found
