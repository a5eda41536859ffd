from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from benchbench import HIDDEN, PADDING, Rng, Vocabulary
from benchbench_standard.modalities.letters import certain, complements


def reverse_complement(x: Tensor, pairs: Tensor) -> Tensor:
    """The other strand, read in its own direction: ids x (N, T), and for each id that of its partner (tokens,) ->
    (N, T), with padding at the end again. Done twice it gives x, if each letter's partner is in the vocabulary."""
    ends = (x != PADDING).sum(1, keepdim=True)
    places = torch.arange(x.shape[1], device=x.device)
    return pairs.to(x.device)[x.gather(1, torch.where(places < ends, ends - 1 - places, places))]


@dataclass(frozen=True)
class SequenceViews:
    """Random views of biological sequences, the whole batch at once on its device. Source: own: both strands of DNA say
    the same (Shrikumar, Greenside & Kundaje 2017, Reverse-complement parameter sharing), and so does a piece that is
    cut out a little further on, or that has some mutations.

    With probability `reverse` a sample is read from the other strand: A for T, C for G and so on, backwards. Of
    proteins this is left out, as they have none. Then it moves by up to a share `shift` of its letters, either way:
    what leaves at one end is lost, and at the other as many letters are unknown; one letter stays at least. Then each
    known letter is replaced by another, every one equally likely, with probability `mutate`.
    """

    vocabulary: Vocabulary
    reverse: float = 0.5
    shift: float = 0.1
    mutate: float = 0.05

    @cached_property
    def pairs(self) -> Tensor | None:
        """For each id that of its partner, int64 (tokens,); None for proteins."""
        pairs = complements(self.vocabulary)
        return None if pairs is None else torch.tensor(pairs)

    @torch.no_grad()
    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        """Ids x (N, T) -> one view of each, (N, T)."""
        once = torch.rand(2, len(x), 1, generator=rng.on(x.device), device=x.device)
        if self.pairs is not None:
            x = torch.where(once[0] < self.reverse, reverse_complement(x, self.pairs), x)
        return self._mutated(self._moved(x, once[1]), rng)

    def _moved(self, x: Tensor, share: Tensor) -> Tensor:
        """Each sample moved by `share` (N, 1), in [0, 1), of the way from one end's most to the other's."""
        ends = (x != PADDING).sum(1, keepdim=True)
        most = (self.shift * ends).floor().minimum(ends - 1).clamp(min=0)
        by = (share * (2 * most + 1)).floor() - most
        places = torch.arange(x.shape[1], device=x.device)
        origin = (places + by).long()
        moved = x.gather(1, origin.clamp(0, x.shape[1] - 1))
        inside = (origin >= 0) & (origin < ends)
        return torch.where(places < ends, torch.where(inside, moved, HIDDEN), PADDING)

    def _mutated(self, x: Tensor, rng: Rng) -> Tensor:
        letters = torch.tensor(certain(self.vocabulary), dtype=torch.int64, device=x.device)
        if len(letters) < 2:
            return x
        draws = torch.rand(2, *x.shape, generator=rng.on(x.device), device=x.device)
        index = torch.full((len(self.vocabulary),), -1, device=x.device)
        index[letters] = torch.arange(len(letters), device=x.device)
        number = index[x]
        # A step from 1 to letters - 1 around the alphabet: never the letter itself.
        step = 1 + (draws[1] * (len(letters) - 1)).floor().clamp(max=len(letters) - 2).long()
        other = letters[(number + step) % len(letters)]
        return torch.where((number >= 0) & (draws[0] < self.mutate), other, x)
