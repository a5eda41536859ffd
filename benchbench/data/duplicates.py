"""Leakage: images that occur more than once, and classes that two datasets share."""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchbench.data.prepare import Prepared
from benchbench.data.splits import PARTS, ClassSplit, class_index
from benchbench.data.table import SampleTable
from benchbench.userfiles import normal


@dataclass(frozen=True)
class Duplicates:
    """Groups of rows of a table that hold the same pixels, each of two rows or more, ascending."""

    table: SampleTable
    split: ClassSplit
    groups: tuple[tuple[int, ...], ...]

    @property
    def extra(self) -> int:
        """How many images repeat another."""
        return sum(len(group) - 1 for group in self.groups)

    @property
    def across_classes(self) -> int:
        """How many groups hold images of several classes."""
        return sum(len({int(self.table.labels[row]) for row in group}) > 1 for group in self.groups)

    @property
    def across_parts(self) -> dict[tuple[str, str], int]:
        """How many groups hold images of two parts of the class split; pairs without any are left out."""
        part_of = {c: part for part in PARTS for c in self.split.part(part)}
        found: dict[tuple[str, str], int] = defaultdict(int)
        for group in self.groups:
            met = {part_of.get(int(self.table.labels[row])) for row in group}
            for pair in combinations(PARTS, 2):
                found[pair] += met.issuperset(pair)
        return {pair: count for pair, count in found.items() if count}


def duplicates(data: Prepared) -> Duplicates:
    """The exact duplicates in a dataset. Quarter turns that form classes of their own count like any other image."""
    rows: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(_digests(data.table, np.arange(len(data.table)))):
        rows[digest].append(row)
    groups = tuple(tuple(group) for group in rows.values() if len(group) > 1)
    return Duplicates(data.table, data.split, groups)


@dataclass(frozen=True)
class Overlap:
    """What a source's training classes and a target's test classes share: class names, and how many of the target's
    images are also the source's, pixel for pixel."""

    classes: tuple[str, ...]
    images: int


def overlap(source: Prepared, target: Prepared) -> Overlap:
    """What training on `source` may have seen of the test part of `target`. Images are compared if both tables have the
    same shape. Class names are compared without case, numbers and punctuation (``001.Black_footed_Albatross``); a name
    that several classes of one dataset share (``character01``, ``character02``) is ignored."""
    known = _names(source, source.split.train)
    named = tuple(
        target.table.class_names[c] for plain, c in _names(target, target.split.test).items() if plain in known
    )
    shared = 0
    if source.table.shape == target.table.shape:
        trained, tested = _rows(source, "train"), _rows(target, "test")
        sums = _sums(source.table, trained), _sums(target.table, tested)
        # Few images share a sum with another: only those are compared in full.
        seen = set(_digests(source.table, trained[np.isin(sums[0], sums[1])]))
        shared = sum(digest in seen for digest in _digests(target.table, tested[np.isin(sums[1], sums[0])]))
    return Overlap(named, shared)


def _names(data: Prepared, classes: Sequence[int]) -> dict[str, int]:
    plain = [_plain(normal(name)) for name in data.table.class_names]
    often = Counter(plain)
    return {plain[c]: c for c in classes if plain[c] and often[plain[c]] == 1}


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", name.rsplit("/", 1)[-1].casefold()))


def _rows(data: Prepared, part: str) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *class_index(data.table.labels, data.split.part(part))])


def _sums(table: SampleTable, rows: np.ndarray) -> np.ndarray:
    """A sum of each image's words under odd weights, (len(rows),) uint64: equal images have equal sums."""
    words = math.ceil(math.prod(table.shape) / 8)
    weights = np.random.RandomState(0).randint(0, 2**63, words, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sums = np.empty(len(rows), np.uint64)
    for i in range(0, len(rows), 1024):
        flat = np.ascontiguousarray(table.x[rows[i : i + 1024]]).reshape(len(rows[i : i + 1024]), -1)
        padded = np.pad(flat, ((0, 0), (0, 8 * words - flat.shape[1])))
        sums[i : i + 1024] = padded.view(np.uint64) @ weights
    return sums


def _digests(table: SampleTable, rows: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(np.ascontiguousarray(table.x[row]), digest_size=16).digest() for row in rows]
