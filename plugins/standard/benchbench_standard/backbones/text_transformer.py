import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import HIDDEN, PADDING, Backbone, BenchbenchError, SampleSpec
from benchbench_standard.backbones.attention_block import AttentionBlock
from benchbench_standard.backbones.token_shares import vocabulary_of


class TextTransformer(Backbone):
    """A transformer encoder (Vaswani et al. 2017, arXiv 1706.03762, section 3) of `depth` blocks, `width` features and
    `heads` heads, its layer norms before each part (Xiong et al. 2020, arXiv 2002.04745). No token attends to padding,
    and the features are the mean over a text's tokens, so more padding changes nothing; those of no token are 0.

    `places` are ``learned``, as many as the sample is long, or ``sinusoidal`` (section 3.5). The embeddings of padding
    and of unknown or hidden tokens start at 0.
    """

    modalities = frozenset({"text", "sequence"})
    provides = frozenset({"positions"})

    def __init__(
        self,
        sample: SampleSpec,
        *,
        width: Annotated[int, Field(ge=2)] = 64,
        depth: Annotated[int, Field(ge=1)] = 2,
        heads: Annotated[int, Field(ge=1)] = 4,
        places: Literal["learned", "sinusoidal"] = "learned",
    ):
        super().__init__()
        if width % heads or width % 2:
            raise BenchbenchError(
                f"backbone text-transformer: width {width}: expected an even multiple of its {heads} heads"
            )
        tokens, (length,) = len(vocabulary_of(sample)), sample.shape
        self.embed = nn.Embedding(tokens, width, padding_idx=PADDING)
        nn.init.normal_(self.embed.weight, std=0.02)
        with torch.no_grad():
            self.embed.weight[: HIDDEN + 1] = 0
        if places == "learned":
            self.place = nn.Parameter(0.02 * torch.randn(length, width))
        else:
            self.register_buffer("place", 0.02 * math.sqrt(2) * sinusoids(length, width))
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.dim = width

    def positions(self, x: Tensor) -> Tensor:
        """x (N, T) int64, no longer than the sample but for padding -> the features of each position (N, T, width)."""
        seen = x != PADDING
        # Attending to nothing would be 0 / 0: a text without a token attends to padding.
        seen = (seen | ~seen.any(1, keepdim=True))[:, None, None]
        place = F.pad(self.place[: x.shape[1]], (0, 0, 0, max(0, x.shape[1] - len(self.place))))
        tokens = self.embed(x) + place
        for block in self.blocks:
            tokens = block(tokens, seen)
        return self.norm(tokens)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) int64 -> (N, width)."""
        held = (x != PADDING).unsqueeze(-1)
        return torch.where(held, self.positions(x), 0).sum(1) / held.sum(1).clamp(min=1)


def sinusoids(length: int, width: int) -> Tensor:
    """Vaswani et al. 2017, section 3.5: sines in even features, cosines in odd ones, (length, width)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
