"""How the images of a target are divided for protocols that fit on some of them: fit, select and test parts.

Every class is divided separately, by a draw that depends only on the target's key: half of its images are for testing,
a tenth for choosing settings, the rest for fitting. Parts published by a dataset's authors are not used: they would
divide different classes than the split does. Where a user's split divides samples (`ClassSplit.test_rows`), those are
for testing, and a fifth of the others is for choosing settings.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchbench.episodes.fixed import stream, too_small
from benchbench.errors import BenchbenchError

#: Shares of a class's images; each part gets at least one.
TEST_SHARE, SELECT_SHARE = 0.5, 0.1
#: The most images of a class that count: from a larger class, this many are drawn.
MOST_PER_CLASS = 1000
#: The share of `Amount.examples` for choosing settings (Zhai et al. 2019: 800 and 200 of 1,000).
SELECT_OF_EXAMPLES = 0.2
#: No rows are held out for testing: every class is divided by a draw.
NONE = np.array([], np.int64)


@dataclass(frozen=True)
class Amount:
    """How much of the fit and select parts may be used; all of it unless one field is given.

    shots: images per class. fraction: of each class's images, at least one. examples: images in all, a fifth of them
    for choosing settings, drawn whatever their class.
    """

    shots: int | None = None
    fraction: float | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise BenchbenchError(f"settings {' and '.join(map(repr, given))} exclude each other: give one of them")


@dataclass(frozen=True)
class Labelled:
    """Rows of a table (n,) and their labels (n,) int64 below the number of classes."""

    rows: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Division:
    """The parts of a target: `fit` and `select` with labels, `test` as rows (n,) in random order without labels."""

    fit: Labelled
    select: Labelled
    test: np.ndarray
    classes: int

    @property
    def digest(self) -> str:
        """What identifies the test images, in their order."""
        return hashlib.sha256(np.ascontiguousarray(self.test, dtype="<i8").tobytes()).hexdigest()


def check_division(
    amount: Amount, index: Sequence[np.ndarray], where: str, names: Sequence[str] = (), held: np.ndarray = NONE
) -> None:
    """Raise BenchbenchError if there are too few classes or images for an amount. `names` are those of the classes, if
    known, `held` the rows held out for testing, if any."""
    if len(index) < 1:
        raise BenchbenchError(f"{where} has no classes")
    smallest = min(len(rows) for rows in index)
    if smallest < 3:
        raise BenchbenchError(
            f"{where}: fit, select and test parts need 3 images a class, but {too_small(index, 3, names)}"
        )
    if len(held):
        for i, (rest, tests) in enumerate(_apart(rows, held) for rows in index):
            if len(rest) < 2 or not len(tests):
                raise BenchbenchError(
                    f"{where}: class {names[i] if names else i!r} has {len(rest)} images to fit and select by and "
                    f"{len(tests)} to test on: expected 2 and 1, or more"
                )
    sizes = [_sizes(rows, held) for rows in index]
    fit, select = min(s[0] for s in sizes), sum(s[1] for s in sizes)
    if amount.shots is not None and amount.shots > fit:
        smallest_fit = f", {names[[s[0] for s in sizes].index(fit)]!r}," if names else ""
        raise BenchbenchError(
            f"{where}: {amount.shots} shots, but the fit part of its smallest class{smallest_fit} has {fit} images"
        )
    if amount.examples is not None:
        wanted = _of_examples(amount.examples)
        have = (sum(s[0] for s in sizes), select)
        if wanted[0] > have[0] or wanted[1] > have[1]:
            raise BenchbenchError(
                f"{where}: {amount.examples} examples are {wanted[0]} to fit and {wanted[1]} to select by, "
                f"but it has {have[0]} and {have[1]}"
            )


def divide(key: str, index: Sequence[np.ndarray], held: np.ndarray = NONE) -> Division:
    """The full parts of a target; `index` holds the rows of each class, `key` names the target, `held` are the rows
    held out for testing, if any."""
    parts: list[list[np.ndarray]] = [[], [], []]
    for y, rows in enumerate(index):
        drawn = rows[stream(key, "division", y).permutation(len(rows))]
        fit, select, tested = _sizes(rows, held)
        rest, tests = _apart(drawn, held) if len(held) else (drawn, drawn[fit + select :])
        for part, chosen in zip(parts, (rest[:fit], rest[fit : fit + select], tests[:tested]), strict=True):
            part.append(chosen)
    fit_part, select_part, test = (_labelled(part) for part in parts)
    # In class order, a test image's position would reveal its label.
    order = stream(key, "test order").permutation(len(test))
    return Division(fit_part, select_part, test.rows[order], len(index))


def reduced(key: str, whole: Division, amount: Amount, draw: int) -> Division:
    """What an amount leaves of a division; `draw` numbers independent draws. In one draw, more shots include fewer."""
    if amount == Amount():
        return whole
    parts: dict[str, Labelled] = {}
    for name, part in (("fit", whole.fit), ("select", whole.select)):
        state = stream(key, "amount", draw, name)
        if amount.examples is not None:
            chosen = state.permutation(len(part))[: _of_examples(amount.examples)[name == "select"]]
        else:
            chosen = np.concatenate([_some(part.y, y, amount, state) for y in range(whole.classes)])
        parts[name] = Labelled(part.rows[chosen], part.y[chosen])
    return replace(whole, fit=parts["fit"], select=parts["select"])


def mixed(key: str, division: Division, draw: int) -> Division:
    """A division whose fit and select parts are in random order too, for no encoder to see labels in that order."""
    parts = {}
    for name, part in (("fit", division.fit), ("select", division.select)):
        order = stream(key, "order", draw, name).permutation(len(part))
        parts[name] = Labelled(part.rows[order], part.y[order])
    return replace(division, fit=parts["fit"], select=parts["select"])


def _some(labels: np.ndarray, y: int, amount: Amount, state: np.random.RandomState) -> np.ndarray:
    places = np.flatnonzero(labels == y)
    drawn = places[state.permutation(len(places))]
    return drawn[: amount.shots or max(1, round((amount.fraction or 0) * len(places)))]


def _apart(rows: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a class that are not held out, and those that are."""
    tests = np.isin(rows, held)
    return rows[~tests], rows[tests]


def _sizes(rows: np.ndarray, held: np.ndarray) -> tuple[int, int, int]:
    """How many images of a class are for fitting, selecting and testing."""
    if len(held):
        most = int(MOST_PER_CLASS * TEST_SHARE)
        rest, test = (min(len(part), most) for part in _apart(rows, held))
        select = max(1, int(rest * SELECT_SHARE / (1 - TEST_SHARE)))
        return rest - select, select, test
    counted = min(len(rows), MOST_PER_CLASS)
    test, select = max(1, int(counted * TEST_SHARE)), max(1, int(counted * SELECT_SHARE))
    return counted - test - select, select, test


def _of_examples(examples: int) -> tuple[int, int]:
    select = int(examples * SELECT_OF_EXAMPLES)
    return examples - select, select


def _labelled(part: list[np.ndarray]) -> Labelled:
    labels = np.repeat(np.arange(len(part)), [len(rows) for rows in part])
    return Labelled(np.concatenate(part), labels)
