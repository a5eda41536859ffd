"""Which n-grams a text holds, as places in a vector and what each adds there."""

from collections import Counter
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from benchbench import HIDDEN, PADDING, Vocabulary
from benchbench_standard.backbones.token_shares import smoothed_idf

#: The modulus and the base of the hash of a run of characters; their product with a remainder fits in 63 bits.
PRIME, BASE = (1 << 31) - 1, 1_000_003
#: Words count by their first characters, so that one that is none, such as an address, does not widen every row.
LONGEST = 40


class GramsOfWords(nn.Module):
    """n-grams of `sizes` within words, of a vocabulary of words.

    A vocabulary knows in which share of training samples a word stands, not an n-gram. The share of an n-gram is taken
    as 1 - prod(1 - share) over the words that hold it: exact if words stand independently of each other. Of a word,
    the first `LONGEST` characters count.
    """

    places: Tensor
    weights: Tensor

    def __init__(self, vocabulary: Vocabulary, sizes: range, width: int):
        super().__init__()
        held = [Counter(_within(text, sizes)) for text in vocabulary.texts]
        absent: dict[str, float] = {}
        for grams, share in zip(held, vocabulary.shares, strict=True):
            for gram in grams:
                absent[gram] = absent.get(gram, 1.0) * (1 - share)
        shares = 1 - np.array(list(absent.values()))
        idf = dict(zip(absent, smoothed_idf(shares, np.array(vocabulary.shares)), strict=True))
        at = {gram: (i, 1) if len(absent) <= width else _hashed(gram, width) for i, gram in enumerate(absent)}
        most = max(1, *map(len, held))
        places, weights = np.zeros((len(held), most), np.int64), np.zeros((len(held), most))
        for i, grams in enumerate(held):
            for k, (gram, count) in enumerate(grams.items()):
                place, sign = at[gram]
                places[i, k], weights[i, k] = place, sign * count * idf[gram]
        self.register_buffer("places", torch.from_numpy(places))
        self.register_buffer("weights", torch.from_numpy(weights).to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, T) -> places int64 and what is added there (N, T * the most n-grams of a word)."""
        return self.places[x].flatten(1), self.weights[x].flatten(1)


class GramsOfCharacters(nn.Module):
    """n-grams of `sizes` of a vocabulary of characters: runs without a space inside, every one hashed. The share of an
    n-gram is taken as the product of its characters'; those with an unknown character do not count."""

    codes: Tensor
    shares: Tensor
    space: Tensor

    def __init__(self, vocabulary: Vocabulary, sizes: range, width: int):
        super().__init__()
        self.sizes, self.width = sizes, width
        shares = np.array(vocabulary.shares)
        space = torch.tensor([text.isspace() for text in vocabulary.texts])
        # Behind its last character a text has spaces.
        space[PADDING] = True
        codes = torch.tensor([crc32(text.encode()) % PRIME for text in vocabulary.texts])
        codes[space] = crc32(b" ") % PRIME
        self.smallest = float(min(shares[shares > 0], default=0.0))
        shares[space.numpy()] = 1
        self.register_buffer("codes", codes)
        self.register_buffer("space", space)
        self.register_buffer("shares", torch.from_numpy(shares).to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, T) -> places int64 and what is added there (N, n-grams)."""
        edge = torch.full_like(x[:, :1], PADDING)
        framed = torch.cat([edge, x, edge], 1)
        found = [self._runs(framed.unfold(1, n, 1)) for n in self.sizes if n <= framed.shape[1]]
        places, weights = zip(*found, strict=True)
        return torch.cat(places, 1), torch.cat(weights, 1)

    def _runs(self, runs: Tensor) -> tuple[Tensor, Tensor]:
        space = self.space[runs]
        within = ~space[..., 1:-1].any(-1) & ~space.all(-1) & (runs != HIDDEN).all(-1)
        number = torch.zeros_like(runs[..., 0])
        for code in self.codes[runs].unbind(-1):
            number = (number * BASE + code + 1) % PRIME
        share = self.shares[runs].prod(-1)
        n = 1 / self.smallest if self.smallest else 0.0
        idf = ((1 + n) / (1 + n * share)).log() + 1
        return (number >> 1) % self.width, torch.where(within, idf * (1 - 2 * (number & 1)), 0)


def _within(text: str, sizes: range) -> list[str]:
    padded = f" {text} " if len(text) <= LONGEST else f" {text[:LONGEST]}"
    return [padded[i : i + n] for n in sizes for i in range(len(padded) - n + 1) if text and padded[i : i + n] != " "]


def _hashed(gram: str, width: int) -> tuple[int, int]:
    number = crc32(gram.encode())
    return (number >> 1) % width, 1 - 2 * (number & 1)
