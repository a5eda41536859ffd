"""Sets of DNA of the UCI repository: targets, as they have too few classes to train on."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable, read_text
from benchbench_standard.modalities.letters import PAIRS


class DNATable(Dataset):
    """Rows ``class, name, bases`` with or without a header, in small letters or capitals. All classes are for testing:
    matrices ask for as many ways as it has classes, or fewer."""

    modality = "sequence"
    licence = "CC BY 4.0"
    #: The name of the component, in messages.
    name: ClassVar[str]
    #: Where the file may be below the data folder: the first that is there is read.
    files: ClassVar[tuple[str, ...]]
    #: The name of each class in the file, and here.
    classes: ClassVar[dict[str, str]]
    #: How many bases each sequence has.
    length: int

    def sources(self, root: Path | None) -> list[Path]:
        """The file."""
        for name in self.files if root else ():
            if (path := Path(str(root)) / name).is_file():
                return [path]
        raise DataMissing(f"dataset {self.name}: expected below BENCHBENCH_DATA {self.expects}")

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every row, in the order of the file."""
        (path,) = self.sources(root)
        assert root is not None
        file = path.relative_to(root).as_posix()
        for number, row in enumerate(csv.reader(read_text(path).splitlines()), 1):
            cells = [cell.strip() for cell in row]
            if any(cells) and cells[0] != "label":
                yield self._sample(cells, f"{file}#{number}", f"dataset {self.name}: {path}: line {number}")

    def _sample(self, cells: list[str], file: str, where: str) -> Sample:
        if len(cells) != 3 or cells[0] not in self.classes:
            raise BenchbenchError(
                f"{where}: expected a class ({', '.join(self.classes)}), a name and bases, got {', '.join(cells)!r:.60}"
            )
        bases = cells[2].upper()
        if len(bases) != self.length or not set(bases) <= set(PAIRS):
            raise BenchbenchError(f"{where}: expected {self.length} letters of DNA, got {bases!r:.70}")
        return Sample(list(bases), self.classes[cells[0]], file)

    def split(self, table: SampleTable) -> ClassSplit:
        """All classes are for testing."""
        return ClassSplit(test=tuple(range(len(table.class_names))))


class Splice(DNATable):
    """Splice-junction Gene Sequences (Towell, Noordewier & Shavlik 1992, UCI): 3,190 pieces of primate DNA of 60 bases
    around a place where an exon ends (767), where one begins (768), or neither (1,655). A target of at most 3 ways.

    The ambiguous letters D, N, R and S, 60 in all, stay tokens of their own: `kmers` and `onehot` leave them out, and
    to an encoder whose training data lack them they are unknown. 185 rows repeat another's bases, one pair of them with
    two classes, as in the original: a support sample may come back as a query.
    """

    name = "splice"
    files = ("dna/splice/splice.csv", "dna/splice/splice.data")
    classes: ClassVar[dict[str, str]] = {"EI": "exon-intron", "IE": "intron-exon", "N": "neither"}
    length = 60
    citation = "Towell, Noordewier & Shavlik 1992, Molecular Biology (Splice-junction Gene Sequences), UCI"
    homepage = "https://archive.ics.uci.edu/dataset/69"
    expects = "dna/splice/splice.csv or UCI's dna/splice/splice.data, of rows CLASS,NAME,BASES"


class Promoters(DNATable):
    """Promoter Gene Sequences (Harley, Reynolds & Noordewier 1990, UCI): 106 pieces of DNA of E. coli of 57 bases, half
    of them before a gene, half not. A target of 2 ways. It has no ambiguous letter."""

    name = "promoters"
    files = ("dna/promoters/promoters.data",)
    classes: ClassVar[dict[str, str]] = {"+": "promoter", "-": "other"}
    length = 57
    citation = "Harley, Reynolds & Noordewier 1990, Molecular Biology (Promoter Gene Sequences), UCI"
    homepage = "https://archive.ics.uci.edu/dataset/67"
    expects = "dna/promoters/promoters.data, of rows CLASS,NAME,BASES"
