"""Biological sequences: letters of a small alphabet in a row."""

from pathlib import Path

from benchbench import BenchbenchError, SampleSpec, Vocabulary, read_text
from benchbench_standard.modalities.tokens import Tokens


class Sequence(Tokens):
    """Letters of DNA, RNA or proteins, in capitals. Source: own."""

    suffixes = (".txt", ".csv", ".tsv", ".fasta", ".fa")
    floors = (
        {"backbone": "kmers", "meta": "nearest-centroid"},
        {"backbone": "onehot", "meta": "nearest-centroid"},
    )

    def tokens(self, raw: str, vocabulary: Vocabulary) -> list[str]:
        """Every letter, without spaces."""
        return [letter for letter in raw.upper() if not letter.isspace()]

    def specimens(self) -> tuple[SampleSpec, ...]:
        """Short and longer pieces of DNA, and of proteins."""
        kinds = (("ACGT", 12), ("ACGT", 33), ("ACDEFGHIKLMNPQRSTVWY", 20))
        return tuple(SampleSpec("sequence", (length,), "int64", _alphabet(letters)) for letters, length in kinds)

    def lines(self, path: Path) -> dict[str, str]:
        """The samples of a file by name; those of a FASTA file by their header."""
        if path.suffix.lower() not in (".fasta", ".fa"):
            return super().lines(path)
        found: dict[str, str] = {}
        name = ""
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if line.startswith(">"):
                name = line[1:].strip() or str(number)
                if name in found:
                    raise BenchbenchError(f"{path}: line {number}: two sequences are named {name!r}")
                found[name] = ""
            elif line.strip():
                if not name:
                    raise BenchbenchError(f"{path}: line {number}: expected a header, which begins with '>'")
                found[name] += line.strip()
        return found


def _alphabet(letters: str) -> Vocabulary:
    return Vocabulary(["", "", *letters], [0.0, 0.0, *([0.9] * len(letters))])
