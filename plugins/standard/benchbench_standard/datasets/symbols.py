from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from fontTools import unicodedata
from pydantic import Field

from benchbench import ClassSplit, Dataset, Sample, SampleTable
from benchbench_standard.datasets.fonts import LICENCE, coverage, distinct, draw, font_files, split_by_first

#: Unicode blocks of each part. All arrows stand in one part, else test would hold near copies of training classes.
TRAIN = (
    "Block Elements",
    "Braille Patterns",
    "Dingbats",
    "Mathematical Operators",
    "Supplemental Mathematical Operators",
)
VALID = ("Miscellaneous Technical",)
TEST = (
    "Arrows",
    "Box Drawing",
    "Geometric Shapes",
    "Miscellaneous Symbols",
    "Supplemental Arrows-A",
    "Supplemental Arrows-B",
)


class Symbols(Dataset):
    """Symbols in matplotlib's bundled fonts: arrows, mathematics, braille, shapes, box drawing. A source of another
    kind than `Glyphs`, drawn alike (`per_class` samples of `size` pixels a side): one class a character, named
    ``Block/U+XXXX``, the Unicode blocks of train, valid and test disjoint. With `hierarchy`, an episode of
    Meta-Dataset's protocol keeps to one block."""

    #: 2: lookalikes are one class, parts hold other scripts or blocks, samples vary more.
    revision = 2
    licence = LICENCE
    homepage = "https://dejavu-fonts.github.io"

    neutral: ClassVar = {"hierarchy": False}
    split_settings = frozenset({"hierarchy"})

    def __init__(
        self,
        *,
        size: Annotated[int, Field(ge=8)] = 28,
        per_class: Annotated[int, Field(ge=2)] = 20,
        hierarchy: bool = False,
    ):
        self.size, self.per_class, self.hierarchy = size, per_class, hierarchy

    def sources(self, root: Path | None) -> list[Path]:
        """The font files."""
        return font_files()

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every character of the chosen blocks."""
        covered = coverage(self.sources(root))
        chosen = [c for c in covered if unicodedata.block(chr(c)) in (*TRAIN, *VALID, *TEST)]
        classes = {f"{unicodedata.block(chr(c))}/U+{c:04X}": c for c in distinct(chosen, covered)}
        return draw(classes, covered, self.size, self.per_class)

    def split(self, table: SampleTable) -> ClassSplit:
        """By block."""
        return split_by_first(table.class_names, VALID, TEST, hierarchy=self.hierarchy)
