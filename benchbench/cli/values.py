"""What options of several commands share: numbers, ``KEY=VALUE``, ``AXIS=NAME``, seeds, shards and devices."""

import math
import re
import tomllib
from collections.abc import Iterable
from typing import Any

import click

from benchbench.components.limits import check_values, odd, quoted
from benchbench.errors import BenchbenchError
from benchbench.planning.toml import parse_toml

#: Digits that an option's number may have.
DIGITS = 40


class Finite(click.FloatRange):
    """A finite number between bounds, written in ASCII. `click.FloatRange` alone lets NaN pass every bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(_ascii(self, value, param, ctx), param, ctx)
        if not math.isfinite(number):
            self.fail(f"{quoted(value)} is not a finite number.", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number between bounds, by default those of 64 bits, written in ASCII."""

    def __init__(self, min: int = -(2**63), max: int = 2**63 - 1):
        super().__init__(min, max)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_ascii(self, value, param, ctx), param, ctx)


class Amount(Finite):
    """A finite number from 0 that may end in k, M, G, T or P, powers of a thousand: ``60k``, ``2.5T``."""

    name = "amount"

    def __init__(self) -> None:
        super().__init__(0, 1e30)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        sizes = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
        if isinstance(value, str) and value[:-1] and value[-1] in sizes:
            return super().convert(value[:-1], param, ctx) * sizes[value[-1]]
        return super().convert(value, param, ctx)


def _ascii(kind: click.ParamType, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    # Python also takes the digits of other scripts, and none of the integers that have thousands of them.
    if isinstance(value, str) and not (value.isascii() and len(value) <= DIGITS):
        kind.fail(f"{quoted(value)} is not a number of at most {DIGITS} ASCII characters.", param, ctx)
    return value


def check_arguments(arguments: Iterable[str]) -> None:
    """Raise BenchbenchError for an argument that is empty, is not UTF-8, or holds a null byte: no command has a use for
    one, and an empty path would be the current folder."""
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=") if argument.startswith("--") else (before, "=", argument)
        place = quoted(option)[1:-1] if option.startswith("--") else "argument"
        if equals and not value:
            raise BenchbenchError(f"{place} '': expected a value, got an empty text")
        if odd(argument):
            raise BenchbenchError(f"{place} {quoted(value)}: expected UTF-8 text without null bytes")
        before = argument


def parse_settings(pairs: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Values are parsed as TOML, or kept as text if they are not TOML. Raises BenchbenchError naming `option` for a
    pair without ``=``, a key with an empty part, or a value outside the limits of all settings."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        where = f"{option} {quoted(pair)[1:-1]}"
        if not (equals and key.strip() and text.strip()):
            raise BenchbenchError(f"{where}: expected KEY=VALUE")
        if set(pair) & {"\n", "\r"}:
            raise BenchbenchError(f"{where}: expected KEY=VALUE, on one line")
        if not all(part.strip() for part in key.split(".")):
            raise BenchbenchError(f"{where}: expected names with single dots between them, such as budget.samples")
        try:
            found[key] = parse_toml(f"value = {text}", where)["value"]
        except tomllib.TOMLDecodeError:
            found[key] = text
    check_values(option, found)
    return found


def parse_only(pairs: Iterable[str]) -> dict[str, list[str]]:
    """``axis=name`` or ``axis=name,name``; an axis may be repeated."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        axis, _, names = pair.partition("=")
        if not axis or not all(names.split(",")):
            raise BenchbenchError(f"--only {quoted(pair)[1:-1]}: expected AXIS=NAME or AXIS=NAME,NAME")
        found.setdefault(axis, []).extend(names.split(","))
    return found


def parse_seeds(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    if not re.fullmatch(r" *-?[0-9]{1,18} *(, *-?[0-9]{1,18} *)*", text):
        raise BenchbenchError(f"--seeds {quoted(text)[1:-1]}: expected whole numbers such as 0,1,2")
    return [int(seed) for seed in text.split(",")]


def parse_shard(text: str) -> tuple[int, int]:
    """``I/N`` as (I, N)."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise BenchbenchError(f"--shard {quoted(text)[1:-1]}: expected I/N with I from 1 to N, such as 1/8")
    return int(found[1]), int(found[2])


def parse_device(text: str) -> str:
    """A device of this machine; ``auto`` is its best. Imports torch."""
    import torch

    from benchbench.execution.run import default_device

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    devices += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if text not in ("auto", *devices):
        raise BenchbenchError(f"--device {quoted(text)[1:-1]}: expected auto, cpu or, where there is one, cuda")
    return default_device() if text == "auto" else text
