"""Names for what differs only in settings: the settings that differ, such as ``inner_lr 0.01``, never a hash."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from benchbench.keys import canonical

#: Words that tell nothing by themselves.
_FRAME = ("settings", "recipe")
#: What a name falls back on only if nothing else differs: it follows from the rest, or is no word that anybody knows.
_LAST = ("fingerprint", "revision", "tuned", "stages")
#: Characters of one value, and settings in one name.
WIDEST, MOST = 24, 4


def told_apart(contents: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What each of several contents, by any key, has where they differ. Two never get one name."""
    if len(contents) < 2:
        return dict.fromkeys(contents, "")
    flat = {key: dict(_leaves(content)) for key, content in contents.items()}
    paths = sorted({path for held in flat.values() for path in held})
    differ = [path for path in paths if len({_text(held.get(path)) for held in flat.values()}) > 1]
    telling = [path for path in differ if path[-1] not in _LAST] or differ
    ends = Counter(path[-1] for path in telling)
    words = {path: " ".join(path[-2:] if ends[path[-1]] > 1 or path[-1] == "name" else path[-1:]) for path in telling}
    names: dict[str, str] = {}
    for key, held in flat.items():
        told = [f"{words[path]} {_text(held[path])}" for path in telling if path in held]
        text = ", ".join(told[:MOST]) + (" …" if len(told) > MOST else "") or f"without {' or '.join(words.values())}"
        taken = sum(name == text or name.startswith(f"{text} (") for name in names.values())
        names[key] = f"{text} ({taken + 1})" if taken else text
    return names


def _leaves(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path if name in _FRAME else (*path, str(name)))
        else:
            yield (*path, str(name)), value


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
