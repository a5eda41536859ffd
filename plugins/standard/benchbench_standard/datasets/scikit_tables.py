import gzip
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from benchbench_standard.datasets.rows import DividedRows, Divider


class _Shipped(DividedRows):
    """A table that scikit-learn ships."""

    #: Its file: values, then the number of the class, a line each. The first line has the classes' names if `titled`.
    file: ClassVar[str]
    titled: ClassVar[bool] = True
    licence = "CC BY 4.0"

    def __init__(self, *, test: Annotated[float, Field(gt=0, lt=1)] = 0.2):
        super().__init__(test=test)

    def sources(self, root: Path | None) -> list[Path]:
        """scikit-learn's data file."""
        # Found without its package, which takes every run seconds to import.
        package = find_spec("sklearn")
        assert package
        assert package.origin
        return [Path(package.origin).parent / "datasets" / "data" / self.file]

    def labelled(self, root: Path | None, tests: Divider) -> tuple[np.ndarray, Sequence[str]]:
        """Its values and the names of its classes: scikit-learn's own reader takes seconds to import."""
        (path,) = self.sources(root)
        raw = path.read_bytes()
        lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()
        names = None
        if self.titled:
            _, _, *names = lines.pop(0).split(",")
        x = np.array([line.split(",") for line in lines], np.float64)
        return x[:, :-1], [names[int(y)] if names else str(int(y)) for y in x[:, -1]]


class Wine(_Shipped):
    """Wines of three growers by 13 chemical measurements (Aeberhard & Forina 1992, UCI): 178 rows, of each class a
    share `test` for testing. Rows are divided, not classes, as in STUNT (Nam et al. 2023, arXiv 2303.00918, section 4),
    and standardised by the training rows."""

    name = "wine"
    file = "wine_data.csv"
    citation = "Aeberhard & Forina 1992, Wine, UCI"
    homepage = "https://archive.ics.uci.edu/dataset/109"


class Cancer(_Shipped):
    """Tumours of the breast, malignant or benign, by 30 measurements of cells (Wolberg, Mangasarian, Street & Street
    1993, UCI): 569 rows, of each class a share `test` for testing. Rows are divided, not classes, as in STUNT (Nam et
    al. 2023, arXiv 2303.00918, section 4), and standardised by the training rows."""

    name = "cancer"
    file = "breast_cancer.csv"
    citation = "Wolberg, Mangasarian, Street & Street 1993, Breast Cancer Wisconsin (Diagnostic), UCI"
    homepage = "https://archive.ics.uci.edu/dataset/17"


class Iris(_Shipped):
    """Flowers of three species by 4 lengths (Fisher 1936, UCI): 150 rows, of each class a share `test` for testing.
    Rows are divided, not classes, as in STUNT (Nam et al. 2023, arXiv 2303.00918, section 4), and standardised by the
    training rows. Some flowers have equal lengths, and stand in both parts."""

    name = "iris"
    file = "iris.csv"
    citation = "Fisher 1936, Iris, UCI"
    homepage = "https://archive.ics.uci.edu/dataset/53"


class DigitsTable(_Shipped):
    """Handwritten digits as tables of 64 values (Alpaydin & Kaynak 1998, UCI): 1,797 rows, of each class a share `test`
    for testing. Rows are divided, not classes, as in STUNT (Nam et al. 2023, arXiv 2303.00918, section 4), and
    standardised by the training rows; that values are neighbours in an image is told to nobody."""

    name = "digits-table"
    file, titled = "digits.csv.gz", False
    citation = "Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI"
    homepage = "https://archive.ics.uci.edu/dataset/80"
