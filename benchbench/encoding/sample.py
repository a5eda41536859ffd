"""What a sample looks like to an encoder, and the tokens that it may hold. Imports no torch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Ids that every vocabulary has: of padding, and of a token that is unknown or hidden from the encoder.
PADDING, HIDDEN = 0, 1


class Vocabulary:
    """The tokens of samples that are ids, and how common they are in what an encoder may learn from.

    texts: the token of each id; those of `PADDING` and `HIDDEN` are empty. shares: for each id, the share of training
    samples that hold it, 0 for those in no training sample. Equal vocabularies have equal texts and shares.
    """

    def __init__(self, texts: Sequence[str], shares: Sequence[float]):
        self.texts, self.shares = tuple(texts), tuple(shares)
        if len(self.texts) != len(self.shares) or any(self.texts[: HIDDEN + 1]) or len(self.texts) <= HIDDEN:
            raise ValueError("expected a share for each token, and no text for the first two ids")

    @cached_property
    def digest(self) -> str:
        """A hash of its texts and shares."""
        return hashlib.sha256(json.dumps([self.texts, self.shares]).encode()).hexdigest()[:16]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token -> id."""
        return {text: i for i, text in enumerate(self.texts) if i > HIDDEN}

    @cached_property
    def single(self) -> bool:
        """Whether its tokens are characters, not words."""
        return all(len(text) <= 1 for text in self.texts)

    def lookup(self, wanted: "Vocabulary") -> np.ndarray:
        """The id in `wanted` of each id of this vocabulary, int64; `HIDDEN` for tokens that it lacks."""
        found = [wanted.ids.get(text, HIDDEN) for text in self.texts]
        found[PADDING] = PADDING
        return np.array(found, np.int64)

    def known(self) -> "Vocabulary":
        """Only the tokens that training samples hold, in this order."""
        kept = [i for i, share in enumerate(self.shares) if i <= HIDDEN or share > 0]
        return Vocabulary([self.texts[i] for i in kept], [self.shares[i] for i in kept])

    def __len__(self) -> int:
        return len(self.texts)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Vocabulary) and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} tokens, {self.digest})"


@dataclass(frozen=True)
class SampleSpec:
    """What one sample looks like to an encoder.

    modality: how it is read and fitted (`benchbench.Modality`); shape: (C, H, W) for images in [0, 1], (T,) for ids of
    tokens, padded with `PADDING`; dtype: what arrives at an encoder, ``float32`` (torch's default dtype) or ``int64``;
    vocabulary: of ids, else None.
    """

    modality: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    vocabulary: Vocabulary | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes it again."""
        content: dict[str, Any] = {"modality": self.modality, "shape": list(self.shape), "dtype": self.dtype}
        if self.vocabulary:
            content["vocabulary"] = {"texts": list(self.vocabulary.texts), "shares": list(self.vocabulary.shares)}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "SampleSpec":
        """The specification that `as_json` wrote."""
        held = content.get("vocabulary")
        vocabulary = Vocabulary(held["texts"], held["shares"]) if held else None
        return cls(content["modality"], tuple(content["shape"]), content["dtype"], vocabulary)
