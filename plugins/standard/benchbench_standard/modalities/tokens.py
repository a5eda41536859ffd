"""What texts and sequences share: tokens that a vocabulary numbers."""

import csv
import functools
import io
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import PADDING, BenchbenchError, Modality, SampleSpec, Vocabulary, read_text


@functools.cache
def _lookup(held: Vocabulary, wanted: Vocabulary) -> Tensor:
    return torch.from_numpy(held.lookup(wanted))


class Tokens(Modality):
    """Ids (T,) of tokens, 0 behind the last. What an encoder does not know is looked up by its text and becomes
    hidden."""

    storage = "uint16"
    #: Names of files that `found` reads: each line, or each row's column ``text``, is a sample.
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".csv", ".tsv")

    @abstractmethod
    def tokens(self, raw: str, vocabulary: Vocabulary) -> list[str]:
        """The tokens of a user's own sample, of the same kind as those of a vocabulary."""

    def misshapen(self, shape: tuple[int, ...]) -> str:
        """Anything but one axis is."""
        return "" if len(shape) == 1 else "a list of tokens"

    def fit(self, x: Tensor, held: SampleSpec, wanted: SampleSpec) -> Tensor:
        """Ids (N, T) of the encoder's own vocabulary, cut or padded at the end to its length."""
        assert held.vocabulary is not None
        assert wanted.vocabulary is not None
        if held.vocabulary is not wanted.vocabulary:
            x = _lookup(held.vocabulary, wanted.vocabulary).to(x.device)[x]
        (length,) = wanted.shape
        return F.pad(x[:, :length], (0, max(0, length - x.shape[1])), value=PADDING)

    def misfit(self, held: SampleSpec, wanted: SampleSpec) -> str:
        """Words are no characters."""
        assert held.vocabulary is not None
        assert wanted.vocabulary is not None
        kinds = ["characters" if v.single else "words" for v in (held.vocabulary, wanted.vocabulary)]
        return "" if kinds[0] == kinds[1] else f"it holds {kinds[0]}, the encoder reads {kinds[1]}"

    def shown(self, x: np.ndarray, sample: SampleSpec) -> str:
        """The tokens, as one line."""
        assert sample.vocabulary is not None
        texts = [sample.vocabulary.texts[i] or "�" for i in x.tolist() if i != PADDING]
        return ("" if sample.vocabulary.single else " ").join(texts)

    def parse(self, raw: Sequence[Any], sample: SampleSpec) -> Tensor:
        """Texts -> ids (n, T)."""
        assert sample.vocabulary is not None
        rows = torch.zeros(len(raw), *sample.shape, dtype=torch.int64)
        for row, text in zip(rows, raw, strict=True):
            if not isinstance(text, str):
                raise BenchbenchError(f"expected texts, got {text!r:.60} of {type(text).__name__}")
            row[:] = self._ids(text, sample)
        return rows

    def _ids(self, text: str, sample: SampleSpec) -> Tensor:
        vocabulary = sample.vocabulary
        assert vocabulary is not None
        own = Vocabulary(
            ["", "", *dict.fromkeys(found := self.tokens(text, vocabulary))], [0.0] * (len(set(found)) + 2)
        )
        ids = torch.tensor([own.ids[token] for token in found], dtype=torch.int64)
        (length,) = sample.shape
        known = torch.from_numpy(own.lookup(vocabulary))[ids][:length]
        return F.pad(known, (0, length - len(known)), value=PADDING)

    def examples(self, sample: SampleSpec, count: int, generator: torch.Generator) -> Tensor:
        """Random ids, each sample of a random length, from one token to as many as fit."""
        assert sample.vocabulary is not None
        (length,) = sample.shape
        x = torch.randint(1, len(sample.vocabulary), (count, length), generator=generator)
        ends = torch.randint(1, length + 1, (count, 1), generator=generator)
        return torch.where(torch.arange(length) < ends, x, PADDING)

    def found(self, path: Path, sample: SampleSpec) -> tuple[list[str], list[Tensor]]:
        """The samples of a file, named by their line, counted from 1."""
        if not path.is_file() or path.suffix.lower() not in self.suffixes:
            raise BenchbenchError(f"{path}: expected a file that ends in {', '.join(self.suffixes)}")
        held = {name: text for name, text in self.lines(path).items() if text.strip()}
        if not held:
            raise BenchbenchError(f"{path} holds no sample: expected one a line")
        return list(held), list(self.parse(list(held.values()), sample).split(256))

    def lines(self, path: Path) -> dict[str, str]:
        """The samples of a file by name."""
        text = read_text(path)
        if path.suffix.lower() == ".txt":
            return {str(n): line for n, line in enumerate(text.splitlines(), 1)}
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="," if path.suffix.lower() == ".csv" else "\t")
        if "text" not in (rows.fieldnames or ()):
            raise BenchbenchError(
                f"{path}: expected a column 'text', found {', '.join(rows.fieldnames or ()) or 'none'}"
            )
        return {str(rows.line_num): row["text"] or "" for row in rows}
