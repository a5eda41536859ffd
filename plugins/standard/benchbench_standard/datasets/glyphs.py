from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from fontTools import unicodedata
from pydantic import Field

from benchbench import ClassSplit, Dataset, Sample, SampleTable
from benchbench_standard.datasets.fonts import LICENCE, coverage, distinct, draw, font_files, split_by_first

#: ISO 15924 codes of the scripts of each part.
TRAIN = ("Latn", "Grek", "Cyrl", "Cans", "Copt", "Ital", "Lisu")
VALID = ("Armn", "Nkoo")
TEST = ("Arab", "Geor", "Hebr", "Laoo", "Ogam", "Tfng")


class Glyphs(Dataset):
    """Letters of many scripts in matplotlib's bundled fonts: one class a character, named ``Script/U+XXXX``.

    The scripts of train, valid and test are disjoint. The `per_class` samples, of `size` pixels a side, are a class's
    faces and styles under a seeded variation of turn, scale, shear, place and stroke. With `hierarchy`, an episode of
    Meta-Dataset's protocol keeps to one script.
    """

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
        """Every letter of the chosen scripts."""
        covered = coverage(self.sources(root))
        letters = [c for c in covered if unicodedata.category(chr(c)).startswith("L")]
        chosen = [c for c in letters if unicodedata.script(chr(c)) in (*TRAIN, *VALID, *TEST)]
        classes = {f"{unicodedata.script(chr(c))}/U+{c:04X}": c for c in distinct(chosen, covered)}
        return draw(classes, covered, self.size, self.per_class)

    def split(self, table: SampleTable) -> ClassSplit:
        """By script."""
        return split_by_first(table.class_names, VALID, TEST, hierarchy=self.hierarchy)
