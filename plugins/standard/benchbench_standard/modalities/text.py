"""Texts: words, or characters, in a row."""

import string

from benchbench import SampleSpec, Vocabulary, characters, words
from benchbench_standard.modalities.tokens import Tokens


class Text(Tokens):
    """Tokens of language. What counts as one follows from the vocabulary: characters if it holds nothing longer.
    Source: own."""

    floors = (
        {"backbone": "words", "meta": "nearest-centroid"},
        {"backbone": "ngrams", "meta": "nearest-centroid"},
    )

    def tokens(self, raw: str, vocabulary: Vocabulary) -> list[str]:
        """Words or characters."""
        return characters(raw) if vocabulary.single else words(raw)

    def specimens(self) -> tuple[SampleSpec, ...]:
        """Texts of many words, short ones of few, and characters."""
        few = [f"word{i}" for i in range(120)]
        many = [f"term{i}" for i in range(300)]
        kinds = ((many, 16), (few, 7), (list(string.ascii_lowercase), 12))
        return tuple(SampleSpec("text", (length,), "int64", _vocabulary(texts)) for texts, length in kinds)


def _vocabulary(texts: list[str]) -> Vocabulary:
    """As common as words are: the n-th is in one sample of n + 1."""
    return Vocabulary(["", "", *texts], [0.0, 0.0, *(1 / (n + 2) for n in range(len(texts)))])
