from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fontTools import unicodedata
from pydantic import Field

from benchbench import ClassSplit, Dataset, Sample, SampleTable
from benchbench_standard.datasets.fonts import Renderer, coverage, distinct, draw, font_files

#: Scripts of the valid and test parts; every other one is for training.
VALID = ("Armn", "Hebr", "Tfng", "Nkoo")
TEST = ("Cyrl", "Geor", "Arab", "Ogam", "Lisu", "Laoo")
SCRIPTS = ("Latn", "Grek", "Cans", *VALID, *TEST)


class Glyphs(Dataset):
    """Letters of many scripts in matplotlib's bundled fonts: one class a character, script -> character.

    The scripts of train, valid and test are disjoint. Samples of a class are its faces and styles under a seeded
    variation of stroke, turn, scale, shear and place.
    """

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
        """Every letter of the chosen scripts."""
        covered = coverage(self.sources(root))
        letters = [c for c in sorted(covered) if unicodedata.category(chr(c)).startswith("L")]
        chosen = [c for c in letters if unicodedata.script(chr(c)) in SCRIPTS]
        kept = distinct(chosen, covered, Renderer(self.size))
        classes = {f"{unicodedata.script(chr(c))}/U+{c:04X}": c for c in kept}
        return draw(classes, covered, self.size, self.per_class)

    def split(self, table: SampleTable) -> ClassSplit:
        """By script."""
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for name in table.class_names:
            script = name.split("/")[0]
            parts["valid" if script in VALID else "test" if script in TEST else "train"].append(name)
        return ClassSplit.by_name(table.class_names, parts, "dataset glyphs")
