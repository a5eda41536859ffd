"""Fixed episodes: N-way K-shot, Q queries per class.

Draws come from the legacy ``RandomState``, whose streams NumPy promises never to change: an episode depends only on its
key, whatever the method, machine, job count or order.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchbench.episodes.batch import EpisodeShape
from benchbench.errors import BenchbenchError

#: Classes that are too small are named one by one up to this many.
NAMED = 5


@dataclass(frozen=True)
class EpisodeIndex:
    """One episode as rows of a table: support (S,) and query (Q,) with labels below ways; `classes` (ways,) are
    positions in the list of classes sampled from. Queries are in random order."""

    support: np.ndarray
    support_y: np.ndarray
    query: np.ndarray
    query_y: np.ndarray
    classes: np.ndarray


def stream(key: str, *path: object) -> np.random.RandomState:
    """The generator of one episode, such as ``stream(key, number)``; the same on every platform."""
    digest = hashlib.sha256("/".join(map(str, (key, *path))).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest[:16], dtype="<u4"))


def check_shape(
    shape: EpisodeShape,
    index: Sequence[np.ndarray],
    where: str,
    groups: Sequence[int] | None = None,
    names: Sequence[str] = (),
) -> None:
    """Raise BenchbenchError if there are too few classes or images for episodes of `shape`. `names` are those of the
    classes, if known, to name the ones that are too small."""
    available = len(set(groups)) if groups is not None else len(index)
    if shape.ways > available:
        raise BenchbenchError(f"{where}: {shape.ways}-way episodes need {shape.ways} classes, but it has {available}")
    if shape.per_class > min(map(len, index)):
        raise BenchbenchError(
            f"{where}: {shape.shots} shots + {shape.queries} queries need {shape.per_class} images a class, "
            f"but {too_small(index, shape.per_class, names)}"
        )


def too_small(index: Sequence[np.ndarray], needed: int, names: Sequence[str] = ()) -> str:
    """The end of a message: how many images the smallest class has, which classes have fewer than `needed`, and how
    many these are."""
    sizes = [len(rows) for rows in index]
    few = [i for i, size in enumerate(sizes) if size < needed]
    said = f"its smallest class has {min(sizes)}"
    if not names:
        return said
    shown = ", ".join(f"{names[i]!r} {sizes[i]}" for i in sorted(few, key=lambda i: sizes[i])[:NAMED])
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    return f"{said}; too small: {shown}{more} ({len(few)} of {len(sizes)} classes)"


def draw_classes(
    state: np.random.RandomState, ways: int, count: int, groups: Sequence[int] | None, *, ordered: bool = False
) -> np.ndarray:
    """`ways` of `count` classes without replacement, in random order unless `ordered`; with `groups`, one member each
    of distinct groups."""
    if ordered:
        return np.sort(draw_classes(state, ways, count, groups))
    if groups is None:
        return state.permutation(count)[:ways]
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    names = sorted(members)
    chosen = [members[names[i]] for i in state.permutation(len(names))[:ways]]
    return np.array([m[state.randint(len(m))] for m in chosen])


def fixed_episode(
    key: str,
    number: int,
    shape: EpisodeShape,
    index: Sequence[np.ndarray],
    groups: Sequence[int] | None = None,
    *,
    ordered: bool = False,
) -> EpisodeIndex:
    """Episode `number` of the stream named `key`: N-way, K-shot, from `index`, the rows of each class. With `ordered`
    labels keep the order of the classes."""
    state = stream(key, number)
    classes = draw_classes(state, shape.ways, len(index), groups, ordered=ordered)
    rows = np.stack([index[c][state.permutation(len(index[c]))[: shape.per_class]] for c in classes])
    labels = np.arange(shape.ways)
    order = state.permutation(shape.ways * shape.queries)
    return EpisodeIndex(
        support=rows[:, : shape.shots].reshape(-1),
        support_y=labels.repeat(shape.shots),
        query=rows[:, shape.shots :].reshape(-1)[order],
        query_y=labels.repeat(shape.queries)[order],
        classes=classes,
    )


def episode_set_hash(episodes: Sequence[EpisodeIndex]) -> str:
    """What identifies a set of episodes: SHA-256 of all their rows and labels."""
    digest = hashlib.sha256()
    for e in episodes:
        for part in (e.support, e.support_y, e.query, e.query_y):
            digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    return digest.hexdigest()
