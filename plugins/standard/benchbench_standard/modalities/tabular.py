"""Tables: a row of numbers, each column with a meaning of its own."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchbench import BenchbenchError, Modality, SampleSpec, read_text


class Tabular(Modality):
    """Values (F,), which a dataset has standardised by its training rows. Columns of different tables have nothing in
    common, so an encoder takes those of its own alone. Source: own."""

    storage = "float32"
    floors = ({"backbone": "values", "meta": "nearest-neighbour"},)

    def misshapen(self, shape: tuple[int, ...]) -> str:
        """Anything but one axis is."""
        return "" if len(shape) == 1 else "(F,)"

    def fit(self, x: Tensor, held: SampleSpec, wanted: SampleSpec) -> Tensor:
        """The rows (N, F) as they are. Raises BenchbenchError if they have other columns."""
        if reason := self.misfit(held, wanted):
            raise BenchbenchError(f"a table does not fit: {reason}")
        return x

    def misfit(self, held: SampleSpec, wanted: SampleSpec) -> str:
        """Other numbers of columns."""
        ours, theirs = held.shape, wanted.shape
        return "" if ours == theirs else f"it has {ours[0]} columns, the encoder reads {theirs[0]}"

    def examples(self, sample: SampleSpec, count: int, generator: torch.Generator) -> Tensor:
        """Normal values."""
        return torch.randn(count, *sample.shape, generator=generator)

    def specimens(self) -> tuple[SampleSpec, ...]:
        """Few columns and more."""
        return tuple(SampleSpec("tabular", (columns,)) for columns in (7, 13, 40))

    def parse(self, raw: Sequence[Any], sample: SampleSpec) -> Tensor:
        """Rows of numbers -> (n, F)."""
        (columns,) = sample.shape
        try:
            x = np.array(raw, np.float32)
        except (TypeError, ValueError):
            x = np.zeros(0, np.float32)
        if x.shape != (len(raw), columns) or not np.isfinite(x).all():
            raise BenchbenchError(f"expected rows of {columns} finite numbers, standardised as the training rows were")
        return torch.from_numpy(x).to(torch.get_default_dtype())

    def found(self, path: Path, sample: SampleSpec) -> tuple[list[str], list[Tensor]]:
        """The rows of a table, named by their line: a header, then `F` numbers a line, standardised as in training."""
        if not path.is_file() or path.suffix.lower() not in (".csv", ".tsv"):
            raise BenchbenchError(f"{path}: expected a file that ends in .csv, .tsv")
        delimiter = "," if path.suffix.lower() == ".csv" else "\t"
        reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
        next(reader, None)
        rows = {str(reader.line_num): row for row in reader if row}
        if not rows:
            raise BenchbenchError(f"{path} holds no sample: expected a header, then one a line")
        for line, row in rows.items():
            try:
                self.parse([row], sample)
            except BenchbenchError as error:
                raise BenchbenchError(f"{path}: line {line}: {error}") from None
        return list(rows), list(self.parse(list(rows.values()), sample).split(256))
