from itertools import takewhile
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, SampleSpec
from benchbench_standard.modalities.letters import certain

#: The most k-mers that are counted unless lengths are named, and at all.
USUAL, MOST = 5_000, 1 << 18


def lengths(letters: int) -> list[int]:
    """Two lengths in a row, the longest of which there are no more than `USUAL` k-mers: 4 and 5 for 4 letters, 1 and
    2 for 20."""
    longest = max(takewhile(lambda k: letters**k + letters ** (k - 1) <= USUAL, range(1, 12)), default=1)
    return [longest - 1, longest] if longest > 1 else [1]


class KMers(Backbone):
    """How often each k-mer occurs, scaled to length 1: no parameter, nothing to train. The floor that any encoder of
    sequences must pass. Source: own; k-mer counts are the baseline of sequence classification since the spectrum kernel
    (Leslie, Eskin & Noble 2002).

    `k` lists the lengths that are counted; by default the two longest in a row with at most 5,000 k-mers: 4 and 5 of
    four letters, 1 and 2 of twenty. A k-mer with a letter that is unknown or ambiguous, such as N, is not counted.
    """

    trainable = False
    of_target = True
    modalities = frozenset({"sequence"})

    def __init__(
        self, sample: SampleSpec, *, k: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    ):
        super().__init__()
        assert sample.vocabulary is not None
        known = certain(sample.vocabulary)
        self.letters = len(known)
        self.k = k or lengths(self.letters)
        if len(set(self.k)) < len(self.k):
            raise BenchbenchError(f"backbone kmers: k is {self.k}: expected each length once")
        # A length that is far too great is refused before its power is computed.
        if max(self.k) > 64 or sum(self.letters**n for n in self.k) > MOST:
            raise BenchbenchError(
                f"backbone kmers: k is {self.k}: of {self.letters} letters these are more than {MOST:,} k-mers: "
                "expected smaller lengths"
            )
        self.dim = sum(self.letters**n for n in self.k)
        self.code: Tensor
        code = torch.full((len(sample.vocabulary),), -1)
        code[known] = torch.arange(self.letters)
        self.register_buffer("code", code)

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, dim), the k-mers of each length in the order of their letters' ids."""
        codes = self.code[x]
        return F.normalize(torch.cat([self._counts(codes, k) for k in self.k], 1))

    def _counts(self, codes: Tensor, k: int) -> Tensor:
        counts = torch.zeros(len(codes), self.letters**k, device=codes.device)
        if codes.shape[1] < k:
            return counts
        windows = codes.unfold(1, k, 1)  # (N, T - k + 1, k)
        whole = (windows >= 0).all(-1)
        places = torch.tensor([self.letters**place for place in reversed(range(k))], device=codes.device)
        numbers = torch.where(whole, (windows * places).sum(-1), 0)
        return counts.scatter_add_(1, numbers, whole.to(counts.dtype))
