"""Namesakes told apart by the settings that differ: ``inner_lr 0.01``, never a hash."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from benchbench.leaderboard.safe import one_line

#: Setting, by its path through a record's content -> its value as text.
Flat = Mapping[tuple[str, ...], str]

#: The most characters of a value.
MOST = 60
CHECKSUM = re.compile(r"[0-9a-f]{64}|[0-9a-f]{60}…")
#: What a part of a record's content is called where its name would not do.
_PARTS = {"learner": "meta"}


def flat(content: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Every value of some parts of a record's content by its path, in the order of these, cut down to `MOST`
    characters."""
    found: dict[tuple[str, ...], str] = {}
    todo: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while todo:
        path, value = todo.pop()
        if path == ("tuned",):
            searches = (f"{s.get('trials')} trials by {s.get('criterion')}" for s in value)
            found["search",] = one_line(" and ".join(searches))
        elif isinstance(value, dict):
            todo += [((*path, str(key)), held) for key, held in value.items()]
        else:
            text = one_line(value if isinstance(value, str) else msgspec.json.encode(value).decode())
            found[path] = text if len(text) <= MOST else f"{text[:MOST]}…"
    return dict(sorted(found.items()))


def told(variants: Mapping[str, Flat]) -> dict[str, str]:
    """For each of several variants, the settings in which it differs from some other, such as ``inner_lr 0.01``.

    A setting goes by its last name, with its part of the content before it where two of them share that; what a variant
    does not have is ``no`` setting. Checksums say nothing to a reader: variants that differ in nothing else are
    numbered in their order.
    """
    differ = [
        path
        for path in sorted({path for one in variants.values() for path in one})
        if len(values := {one.get(path) for one in variants.values()}) > 1
        and not any(value and CHECKSUM.fullmatch(value) for value in values)
    ]
    names = _names(differ)
    texts = {
        key: ", ".join(f"{names[path]} {one[path]}" if path in one else f"no {names[path]}" for path in differ)
        for key, one in variants.items()
    }
    often, seen = Counter(texts.values()), Counter[str]()
    for key in sorted(texts):
        text = texts[key]
        seen[text] += 1
        if often[text] > 1:
            texts[key] = f"{text}, number {seen[text]}" if text else f"number {seen[text]}"
    return texts


def _names(paths: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    last = Counter(path[-1] for path in paths)
    found = {}
    for path in paths:
        parts = [_PARTS.get(part, part) for part in path if part not in ("settings", "recipe")]
        found[path] = " ".join(parts) if last[path[-1]] > 1 or path[-1] in ("revision", "name") else parts[-1]
    return found
