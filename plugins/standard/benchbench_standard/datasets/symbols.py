from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fontTools import unicodedata
from pydantic import Field

from benchbench import ClassSplit, Dataset, Sample, SampleTable
from benchbench_standard.datasets.fonts import Renderer, coverage, distinct, draw, font_files

TRAIN = ("Mathematical Operators", "Dingbats", "Braille Patterns", "Supplemental Mathematical Operators", "Block Elements")
VALID = ("Miscellaneous Technical", "Supplemental Arrows-A", "Supplemental Arrows-B")
TEST = ("Arrows", "Geometric Shapes", "Box Drawing", "Miscellaneous Symbols")


class Symbols(Dataset):
    """Symbols in matplotlib's bundled fonts: arrows, mathematics, braille, shapes, box drawing; one class a character,
    block -> character, the Unicode blocks of train, valid and test disjoint. A second source, of another kind."""

    licence = "drawn here; the fonts are DejaVu (Bitstream Vera licence) and STIX (OFL)"
    homepage = "https://dejavu-fonts.github.io"

    def __init__(
        self, *, size: Annotated[int, Field(ge=8)] = 28, per_class: Annotated[int, Field(ge=2)] = 20
    ):
        self.size, self.per_class = size, per_class

    def sources(self, root: Path | None) -> list[Path]:
        """The font files."""
        return font_files()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every character of the chosen blocks."""
        covered = coverage(self.sources(root))
        chosen = [c for c in sorted(covered) if unicodedata.block(chr(c)) in (*TRAIN, *VALID, *TEST)]
        kept = distinct(chosen, covered, Renderer(self.size))
        classes = {f"{unicodedata.block(chr(c))}/U+{c:04X}": c for c in kept}
        return draw(classes, covered, self.size, self.per_class)

    def split(self, table: SampleTable) -> ClassSplit:
        """By block."""
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for name in table.class_names:
            block = name.split("/")[0]
            parts["valid" if block in VALID else "test" if block in TEST else "train"].append(name)
        return ClassSplit.by_name(table.class_names, parts, "dataset symbols")
