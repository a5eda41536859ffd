from dataclasses import dataclass

import torch
from torch import Tensor

from benchbench import HIDDEN, PADDING, Rng


@dataclass(frozen=True)
class TextViews:
    """Random views of texts, the whole batch at once on its device (Wei & Zou 2019, arXiv 1901.11196, without synonyms,
    which need a lexicon): each token is left out with probability `drop`, moved behind the next with `swap`, hidden
    with `hide`. At least one token of a sample stays.

    With all at 0 views differ by the encoder's own dropout alone, as in SimCSE (Gao, Yao & Chen 2021, arXiv 2104.08821,
    section 3), which finds that better than leaving words out for encoders that were pretrained.
    """

    drop: float = 0.2
    swap: float = 0.1
    hide: float = 0.1

    @torch.no_grad()
    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        """Ids x (N, T) -> one view of each, (N, T)."""
        draws = torch.rand(3, *x.shape, generator=rng.on(x.device), device=x.device)
        held = x != PADDING
        # The luckiest token stays whatever it drew.
        luckiest = torch.where(held, draws[0], -1).argmax(1, keepdim=True)
        kept = held & (draws[0] >= self.drop).scatter(1, luckiest, True)
        places = torch.arange(x.shape[1], device=x.device) + 1.5 * (draws[1] < self.swap)
        order = torch.where(kept, places, torch.inf).argsort(dim=1, stable=True)
        x = torch.where(kept, x, PADDING).gather(1, order)
        return torch.where((x != PADDING) & (draws[2] < self.hide), HIDDEN, x)
