"""What a component's class says of itself, read from its source: importing it may import torch."""

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint
from pathlib import Path

#: A year within parentheses, where docstrings cite, and an arXiv number behind it.
_YEAR = re.compile(r"\b((?:1[89]|20)\d\d)\b(?:\)?[,;:]? \(?arXiv:? ?(\d{4}\.\d{4,5}))?")
#: Words that stand between names.
_BETWEEN = {"&", "and", "et", "al.", "de", "van", "von", "der"}
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\d*])")


@dataclass(frozen=True)
class Description:
    """The first sentence of a class's docstring, without its references, and the paper that it names first; empty if
    there are none."""

    line: str
    paper: str


@cache
def described(entry: EntryPoint) -> Description:
    """What the class of an entry point says of itself; nothing where its source cannot be read without importing."""
    text = _docstring(entry.module, entry.attr)
    paper = next(filter(None, (_reference(text, found) for found in _YEAR.finditer(text))), "")
    # A sentence may end within a citation (et al.), which is in parentheses: these go first.
    plain, before = text, ""
    while plain != before:
        before, plain = plain, re.sub(r"\s*\([^()]*\)", "", plain)
    line = _SENTENCE.split(plain, maxsplit=1)[0].strip()
    return Description(line.rstrip("."), paper)


def _reference(text: str, year: re.Match[str]) -> str:
    """The names before a year that stands in parentheses, the year and its arXiv number; empty if it is no citation."""
    before = text[: year.start()]
    if before.endswith(" ("):
        # Only the year is in parentheses.
        before = f"({before[:-2]}"
    elif before.rfind("(") <= before.rfind(")"):
        return ""
    names: list[str] = []
    for word in reversed(re.split(r"[(;:]", before)[-1].split()):
        if not (word in _BETWEEN or word[:1].isupper()):
            break
        names.insert(0, word)
    if not names:
        return ""
    return f"{' '.join(names)} {year[1]}".replace(", &", " &") + (f", arXiv {year[2]}" if year[2] else "")


def _docstring(module: str, name: str) -> str:
    """The docstring on one line."""
    path = _source(module)
    try:
        tree = ast.parse(path.read_bytes()) if path else None
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return " ".join(inspect.cleandoc(ast.get_docstring(node) or "").split("\n\n")[0].split())
    return ""


def _source(module: str) -> Path | None:
    """The file of a module, found without importing the packages that it is in."""
    top, *rest = module.split(".")
    found = PathFinder.find_spec(top)
    if found is None:
        # An editable installation has a finder of its own, which imports nothing for a top-level name.
        from importlib.util import find_spec

        found = find_spec(top)
    if found is None or not rest:
        return Path(found.origin) if found and found.origin else None
    for folder in found.submodule_search_locations or ():
        below = Path(folder, *rest)
        for path in (below.with_suffix(".py"), below / "__init__.py"):
            if path.is_file():
                return path
    return None
