from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, DataMissing, located, read_table, suggest
from benchbench_standard.datasets.rows import DividedRows, Divider


class UserTable(DividedRows):
    """A user's own table: a CSV file with a header, in UTF-8, a row a sample.

    `path` is the file, absolute or below ``BENCHBENCH_DATA``; `target` the column that names the class. The columns in
    `categorical` become one column for each value that a training row holds, 1 where a row holds it and else 0; a value
    that testing rows alone hold is 0 in all of them. Every other column holds numbers, without gaps; those in `ignored`
    are left out. Of each class a share `test` of the rows is for testing, the others for training, as in STUNT (Nam et
    al. 2023, arXiv 2303.00918, section 4); all columns are standardised by the training rows.
    """

    name = "table"
    locators = frozenset({"path"})
    licence = "the user's own"
    citation = "the user's own"
    expects = "a CSV file with a header at the setting path"

    def __init__(
        self,
        *,
        path: str,
        target: str,
        categorical: Sequence[str] = (),
        ignored: Sequence[str] = (),
        test: Annotated[float, Field(gt=0, lt=1)] = 0.2,
    ):
        super().__init__(test=test)
        self.path, self.target = path, target
        self.categorical, self.ignored = list(categorical), list(ignored)
        for name in {*self.categorical, *self.ignored}:
            if (name in self.categorical) + (name in self.ignored) + (name == target) > 1:
                raise BenchbenchError(f"{self.where}: column {name!r} is given two meanings by its settings")

    @property
    def where(self) -> str:
        """What messages begin with."""
        return f"dataset {self.name}: {self.path}"

    def sources(self, root: Path | None) -> list[Path]:
        """The file."""
        path = located(self.path, root)
        if not path.is_file():
            raise DataMissing(
                f"dataset table: no file {path}: expected {self.expects}, absolute or below BENCHBENCH_DATA"
            )
        return [path]

    def labelled(self, root: Path | None, tests: Divider) -> tuple[np.ndarray, Sequence[str]]:
        """Its values and classes. Raises BenchbenchError for a column that is not there, and a cell that is no
        number."""
        (path,) = self.sources(root)
        rows = read_table(path, [self.target, *self.categorical])
        if not rows:
            raise BenchbenchError(f"{path}: expected rows below the header, found none")
        if longer := [i for i, row in enumerate(rows, 1) if None in row]:
            raise BenchbenchError(f"{path}: row {longer[0]}: has more cells than the header has names")
        if lacking := [name for name in self.ignored if name not in rows[0]]:
            raise BenchbenchError(f"{path}: has no column {lacking[0]!r}{suggest(lacking[0], rows[0])}")
        classes = [row[self.target].strip() for row in rows]
        for name in classes:
            if "/" in name:
                raise BenchbenchError(f"{path}: class {name!r} has a slash, which a class's name cannot hold")
        trained = ~tests(classes)
        columns = []
        for name in rows[0]:
            cells = [(row[name] or "").strip() for row in rows]
            if name in self.categorical:
                known = sorted({cell for cell, held in zip(cells, trained, strict=True) if held})
                columns += [[float(cell == value) for cell in cells] for value in known]
            elif name not in (self.target, *self.ignored):
                columns.append([_number(cell, path, row, name) for row, cell in enumerate(cells)])
        if not columns:
            raise BenchbenchError(f"{path}: has no column beside {self.target!r} that is not ignored")
        return np.array(columns).T, classes


def _number(cell: str, path: Path, row: int, column: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise BenchbenchError(
            f"{path}: row {row + 1}: column {column!r} holds {cell!r}, no finite number: name the column in "
            "'categorical' or 'ignored', or mend the row"
        )
    return value
