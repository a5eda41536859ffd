"""What datasets of tables share: rows divided into a part to train on and a part to test on, with the same classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchbench import BenchbenchError, ClassSplit, Dataset, Sample, SampleTable


class DividedRows(Dataset):
    """A table divided by rows, not by classes, as STUNT does (Nam, Tack, Lee, Lee & Shin 2023, arXiv 2303.00918,
    section 4): of every class a seeded share `test` of the rows is for testing, the rest for training. So a class has
    two ids, ``train/CLASS`` and ``test/CLASS``. Values are standardised by the training rows alone. There is no
    validation part."""

    modality = "tabular"
    #: What messages call it.
    name: ClassVar[str]

    def __init__(self, *, test: float):
        self.test = test

    def labelled(self, root: Path | None, tests: "Divider") -> tuple[np.ndarray, Sequence[str]]:
        """Values (N, F), and the class of each row. `tests` tells which rows are for testing, from the classes of all:
        what is learned of columns may look at the others alone."""
        raise NotImplementedError

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every row, standardised."""
        divider = Divider(self.test, self.where)
        x, classes = self.labelled(root, divider)
        tests = divider(classes)
        trained = x[~tests]
        spread = trained.std(0)
        # A column without variety tells nothing.
        z = ((x - trained.mean(0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
        for values, name, tested in zip(z, classes, tests, strict=True):
            yield Sample(values, f"{'test' if tested else 'train'}/{name}")

    @property
    def where(self) -> str:
        """What messages begin with."""
        return f"dataset {self.name}"

    def split(self, table: SampleTable) -> ClassSplit:
        """By the first level of the classes' names."""
        parts: dict[str, list[str]] = {"train": [], "test": []}
        for name in table.class_names:
            parts[name.partition("/")[0]].append(name)
        return ClassSplit.by_name(table.class_names, parts, self.where)


class Divider:
    """Which rows are for testing, from the class of each: the same for the same classes."""

    def __init__(self, test: float, where: str):
        self.test, self.where = test, where

    def __call__(self, classes: Sequence[str]) -> np.ndarray:
        """Booleans (N,). Raises BenchbenchError for a class of one row, which cannot be divided."""
        tests = np.zeros(len(classes), bool)
        held = np.array(classes, object)
        state = np.random.RandomState(0)
        for name in sorted(set(classes)):
            rows = np.flatnonzero(held == name)
            if len(rows) < 2:
                raise BenchbenchError(f"{self.where}: class {name!r} has one row: expected 2, to train and to test on")
            count = min(max(1, round(self.test * len(rows))), len(rows) - 1)
            tests[state.permutation(rows)[:count]] = True
        return tests
