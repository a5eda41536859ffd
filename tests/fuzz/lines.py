"""Command lines and matrices that are wrong somewhere, made from valid ones at random."""

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
import tomli_w

from benchbench.cli import group

#: What no option, key or name expects; none is a size that takes long to make.
ODD_TEXTS = [
    *["", " ", "-", "--", "=", ",", "..", "a..b", "a,,b", "=1", "a=", "a=b=c", "*", "💥", "\0", "a\0b", "\ud800"],
    *[
        "a\u202eb",
        "x\ny",
        "\r",
        "\t",
        "9" * 30,
        "9" * 5_000,
        "[" * 3_000,
        "a." * 400,
        "ü" * 300,
        "x" * 300,
        "y" * 20_000,
    ],
    *["nan", "inf", "-inf", "1e999", "-1", "0", "1.5", "0x10", "1_0", "١", "²", "½", "true", "[]", "{}", "3/2", "1/١"],
    *["rotatoin", "quik", "conv4", "glyfs", "0/0", "0,0", "cuda:99", "HEAD:results", "-h", "--no-such", "axes=1"],
    *["lr=inf", "training.lr=nan", "episodes.ways=1000000", "axes.meta=[]", "seeds=[0,0]", "size=1e999"],
]
ODD_NUMBERS = [True, -1, 0, 10**9, 2**63 - 1, -(2**63), 1.5, 1e300, float("nan"), float("inf")]
ODD_TABLES: list[Any] = [[], [[]], [1, "a"], [{}], {}, {"": 1}, {"x": {"y": []}}, ["labels", "labels"], ["pipelin"]]
ODD_VALUES = [*ODD_NUMBERS, *ODD_TABLES, *["", "x", "\0", "é", "labels", "joint", "y" * 20_000]]
ODD_NAMES = ["", "x", "ways", "size", "when", "tuned"]
ODD_BYTES = [
    b"\0",
    b"\xff",
    b"=",
    b"[",
    b'"',
    b"\n",
    b"9" * 5_000,
    b"1979-02-30",
    b"\xd9\xa3",
    b"a." * 300,
    b"[" * 3_000,
]
ODD_PATHS = ["folder", "empty", "broken.toml", "binary.toml", "pipe", "no/such", "empty/x"]


@dataclass(frozen=True)
class Shop:
    """What command lines may name: valid values by parameter, and paths that are not what they should be."""

    folder: Path
    valid: dict[str, list[str]]

    @classmethod
    def furnish(cls, folder: Path, matrix: str, valid: dict[str, list[str]]) -> "Shop":
        """Lay out the odd paths in `folder`, and a valid matrix."""
        (folder / "folder").mkdir()
        (folder / "empty").write_text("")
        (folder / "broken.toml").write_text(matrix[: len(matrix) // 2])
        (folder / "binary.toml").write_bytes(b"name = '\xff\xfe'\n\0")
        (folder / "matrix.toml").write_text(matrix)
        # Refused after all that comes before it: no search begins.
        (folder / "space.toml").write_text("[meta.maml]\nno-such-setting = [1]\n")
        os.mkfifo(folder / "pipe")
        return cls(folder, valid | {"matrix": [str(folder / "matrix.toml")], "space": [str(folder / "space.toml")]})


def leaves(group: click.Group = group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that has no subcommands, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))
        yield (*path, name), found


def wrong_line(rng: Random, words: tuple[str, ...], command: click.Command, shop: Shop) -> list[str]:
    """A line for `command` with its required parameters, and one to three faults."""
    pieces: list[list[str]] = []
    for parameter in command.params:
        # Most of what commands read is the results folder, whose default is not there.
        if parameter.required or rng.random() < (0.8 if parameter.name in ("results", "folders") else 0.15):
            pieces.append(_given(parameter, _right(rng, parameter, shop)))
    for _ in range(rng.randint(1, 3)):
        _spoil(rng, pieces, command, shop)
    rng.shuffle(pieces)
    line = [*words, *(text for piece in pieces for text in piece)]
    # Nothing may train.
    return [*line, "--dry-run", "--executor=inline"] if words == ("run",) else line


def _given(parameter: click.Parameter, value: str) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [value]
    return [parameter.opts[0]] if getattr(parameter, "is_flag", False) else [parameter.opts[0], value]


def _right(rng: Random, parameter: click.Parameter, shop: Shop) -> str:
    if isinstance(parameter.type, click.Choice):
        return str(rng.choice(list(parameter.type.choices)))
    numeric = ["1", "2", "5"]
    plain = ["settings.backbone.conv4.width=8"] if parameter.multiple else ["out/written"]
    is_number = parameter.type.name.startswith(("integer", "float"))
    return rng.choice(shop.valid.get(parameter.name or "", numeric if is_number else plain))


def _spoil(rng: Random, pieces: list[list[str]], command: click.Command, shop: Shop) -> None:
    odd = rng.choice(ODD_TEXTS) if rng.random() < 0.7 else str(shop.folder / rng.choice(ODD_PATHS))
    options = [p for p in command.params if isinstance(p, click.Option) and not p.is_flag]

    def replace() -> None:
        if pieces:
            rng.choice(pieces)[-1] = odd

    def misspell() -> None:
        if pieces:
            piece = rng.choice(pieces)
            piece[0] = piece[0][:-1] + rng.choice("xyz-=")

    changes: list[Callable[[], None]] = [
        replace,
        misspell,
        lambda: pieces.append([odd]),
        lambda: pieces.append([rng.choice(options).opts[0], odd]) if options else None,
        lambda: pieces.append([f"{rng.choice(options).opts[0]}={odd}"]) if options else None,
        lambda: pieces.append([rng.choice(options).opts[0]]) if options else None,
        lambda: pieces.__delitem__(slice(0, 1)),
    ]
    # An option's own value is what most commands read.
    rng.choices(changes, [3, 1, 1, 4, 2, 1, 1])[0]()


def wrong_matrix(rng: Random, content: dict[str, Any]) -> bytes:
    """A matrix file with a value of the wrong kind, or as text, cut off or with a character too many."""
    changed = copy.deepcopy(content)
    for _ in range(rng.randint(1, 2)):
        _replace(rng, changed)
    text = tomli_w.dumps(changed).encode()
    if rng.random() < 0.3:
        place = rng.randrange(len(text))
        insert = rng.choice(ODD_BYTES)
        text = rng.choice([text[:place], text[:place] + insert + text[place:], text[:place] + text[place + 1 :]])
    return text


def _replace(rng: Random, content: dict[str, Any]) -> None:
    """Change one random place, at any depth."""
    here: Any = content
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = rng.choice(keys) if keys else None
        if key is None or not isinstance(here[key], dict | list) or not here[key] or rng.random() < 0.25:
            break
        here = here[key]
    value = copy.deepcopy(rng.choice(ODD_VALUES))
    if rng.random() < 0.1:
        for _ in range(rng.choice([60, 70])):
            value = [value]
    if key is not None and rng.random() < 0.15:
        here.pop(key)
    elif isinstance(here, dict):
        here[key if key is not None and rng.random() < 0.8 else rng.choice(ODD_NAMES)] = value
    else:
        here.append(value)
