"""Interactions: the fields of an item, or of a user and an item, that somebody may like."""

import csv
import functools
import io
from pathlib import Path

from benchbench import BenchbenchError, SampleSpec, Vocabulary, read_text, suggest
from benchbench_standard.modalities.tokens import Tokens


@functools.cache
def fields_of(vocabulary: Vocabulary) -> tuple[str, ...]:
    """The fields of a vocabulary's tokens ``field:value``, sorted. Raises BenchbenchError for a token that has none."""
    texts = vocabulary.texts[2:]
    if wrong := [text for text in texts if not all(text.partition(":")[::2])]:
        raise BenchbenchError(f"expected tokens 'field:value', got {wrong[0]!r}")
    return tuple(sorted({text.partition(":")[0] for text in texts}))


class Interaction(Tokens):
    """Tokens ``field:value``, as many of a field as it has values: their order means nothing. Source: own.

    People write a sample as ``field:value|field:value``, or as a row of a table with a column for each field, whose
    cells hold one value or several with ``|`` between them.
    """

    floors = ({"backbone": "multi-hot", "meta": "nearest-centroid"},)

    def tokens(self, raw: str, vocabulary: Vocabulary) -> list[str]:
        """What stands between bars. Raises BenchbenchError for a field that the vocabulary lacks."""
        found = [token.strip() for token in raw.split("|") if token.strip()]
        known = fields_of(vocabulary)
        for token in found:
            if (field := token.partition(":")[0]) not in known:
                raise BenchbenchError(f"{token!r} is of no field of the encoder{suggest(field, known)}")
        return found

    def misfit(self, held: SampleSpec, wanted: SampleSpec) -> str:
        """Fields must be the same, and no value may be cut off."""
        assert held.vocabulary is not None
        assert wanted.vocabulary is not None
        ours, theirs = fields_of(held.vocabulary), fields_of(wanted.vocabulary)
        if ours != theirs:
            return f"it has the fields {', '.join(ours)}, the encoder reads {', '.join(theirs)}"
        if held.shape[0] > wanted.shape[0]:
            return f"a sample has up to {held.shape[0]} values, the encoder reads {wanted.shape[0]}"
        return ""

    def specimens(self) -> tuple[SampleSpec, ...]:
        """Items alone; users with items of several genres."""
        kinds = (
            (4, {"item": 80, "genre": 9}),
            (7, {"item": 150, "user": 40, "age": 5, "genre": 12}),
        )
        return tuple(SampleSpec("interaction", (length,), "int64", _vocabulary(sizes)) for length, sizes in kinds)

    def lines(self, path: Path) -> dict[str, str]:
        """The samples of a file by line: of a table, from its columns."""
        if path.suffix.lower() == ".txt":
            return super().lines(path)
        delimiter = "," if path.suffix.lower() == ".csv" else "\t"
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
        found = {}
        for row in rows:
            if None in row:
                raise BenchbenchError(f"{path}: line {rows.line_num}: expected {len(row) - 1} cells, got more")
            values = [(field.strip(), v.strip()) for field, cell in row.items() for v in (cell or "").split("|")]
            found[str(rows.line_num)] = "|".join(f"{field}:{value}" for field, value in values if value)
        return found


def _vocabulary(sizes: dict[str, int]) -> Vocabulary:
    """The n-th value of a field is in one sample of n + 1."""
    held = {f"{field}:{n}": 1 / (n + 2) for field, size in sizes.items() for n in range(size)}
    return Vocabulary(["", "", *held], [0.0, 0.0, *held.values()])
