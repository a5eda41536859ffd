"""Leakage: samples that occur more than once, and classes that two datasets share."""

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
    """Groups of rows of a table that hold the same sample, each of two rows or more, ascending."""

    table: SampleTable
    split: ClassSplit
    groups: tuple[tuple[int, ...], ...]

    @property
    def extra(self) -> int:
        """How many samples repeat another."""
        return sum(len(group) - 1 for group in self.groups)

    @property
    def across_classes(self) -> int:
        """How many groups hold samples of several classes."""
        return sum(len({int(self.table.labels[row]) for row in group}) > 1 for group in self.groups)

    @property
    def across_parts(self) -> dict[tuple[str, str], int]:
        """How many groups hold samples of two parts of the class split; pairs without any are left out."""
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
    for row, digest in enumerate(_digests(data.table.x, np.arange(len(data.table)))):
        rows[digest].append(row)
    groups = tuple(tuple(group) for group in rows.values() if len(group) > 1)
    return Duplicates(data.table, data.split, groups)


@dataclass(frozen=True)
class Overlap:
    """What a source's training classes and a target's test classes share: class names, and how many of the target's
    samples are also the source's, byte for byte."""

    classes: tuple[str, ...]
    images: int


def overlap(source: Prepared, target: Prepared) -> Overlap:
    """What training on `source` may have seen of the test part of `target`. Images and values are compared if both
    tables have the same shape, tokens by their text. Class names are compared without case, numbers and punctuation
    (``001.Black_footed_Albatross``); a name that several classes of one dataset share (``character01``,
    ``character02``) is ignored."""
    known = _names(source, source.split.train)
    named = tuple(
        target.table.class_names[c] for plain, c in _names(target, target.split.test).items() if plain in known
    )
    shared = 0
    held, asked = _comparable(source, target)
    if held.shape[1:] == asked.shape[1:] and held.dtype == asked.dtype:
        trained, tested = _rows(source, "train"), _rows(target, "test")
        sums = _sums(held, trained), _sums(asked, tested)
        # Few samples share a sum with another: only those are compared in full.
        seen = set(_digests(held, trained[np.isin(sums[0], sums[1])]))
        shared = sum(digest in seen for digest in _digests(asked, tested[np.isin(sums[1], sums[0])]))
    return Overlap(named, shared)


def _comparable(source: Prepared, target: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """The samples of both in one form: tokens with the source's ids, padded to one length. A token that the source
    lacks is like none of its own."""
    held, asked = source.table.x, target.table.x
    if source.raw.vocabulary is None or target.raw.vocabulary is None:
        return held, asked
    asked = target.raw.vocabulary.lookup(source.raw.vocabulary).astype(asked.dtype)[asked]
    longest = max(held.shape[1], asked.shape[1])
    padded = [np.pad(x, ((0, 0), (0, longest - x.shape[1]))) for x in (held, asked)]
    return padded[0], padded[1]


def _names(data: Prepared, classes: Sequence[int]) -> dict[str, int]:
    plain = [_plain(normal(name)) for name in data.table.class_names]
    often = Counter(plain)
    return {plain[c]: c for c in classes if plain[c] and often[plain[c]] == 1}


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", name.rsplit("/", 1)[-1].casefold()))


def _rows(data: Prepared, part: str) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *class_index(data.table.labels, data.split.part(part))])


def _sums(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A sum of each sample's words under odd weights, (len(rows),) uint64: equal samples have equal sums."""
    words = math.ceil(math.prod(x.shape[1:]) * x.dtype.itemsize / 8)
    weights = np.random.RandomState(0).randint(0, 2**63, words, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sums = np.empty(len(rows), np.uint64)
    for i in range(0, len(rows), 1024):
        flat = np.ascontiguousarray(x[rows[i : i + 1024]]).reshape(len(rows[i : i + 1024]), -1).view(np.uint8)
        padded = np.pad(flat, ((0, 0), (0, 8 * words - flat.shape[1])))
        sums[i : i + 1024] = padded.view(np.uint64) @ weights
    return sums


def _digests(x: np.ndarray, rows: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(np.ascontiguousarray(x[row]), digest_size=16).digest() for row in rows]
