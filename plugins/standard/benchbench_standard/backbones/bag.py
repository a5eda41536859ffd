from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchbench import HIDDEN, PADDING, Backbone, SampleSpec
from benchbench_standard.backbones.token_shares import token_idf, vocabulary_of


class Bag(Backbone):
    """The weighted mean of the embeddings of a text's tokens, normalised (layer norm), then `depth` fully connected
    layers with ReLU: a deep averaging network (Iyyer et al. 2015, section 3). `weights` are ``uniform``, or ``idf``, by
    which tokens of few training samples count more, as rare words do in Arora, Liang & Ma 2017, algorithm 1 (there by
    a / (a + p)).

    Unknown and hidden tokens count for nothing, and a text without any other has the mean 0. The features of a position
    are those of all other tokens, from which what is hidden there can be told (continuous bag of words, Mikolov et al.
    2013, arXiv 1301.3781, section 3.1). Embeddings start small, so that training, not chance, places them. A task that
    adapts them has its own copy: vocabulary x `width` numbers, for each inner step that is differentiated.
    """

    modalities = frozenset({"text", "sequence"})
    provides = frozenset({"positions"})
    weights: Tensor

    def __init__(
        self,
        sample: SampleSpec,
        *,
        width: Annotated[int, Field(ge=1)] = 64,
        depth: Annotated[int, Field(ge=0)] = 0,
        weights: Literal["uniform", "idf"] = "uniform",
    ):
        super().__init__()
        idf = token_idf(vocabulary_of(sample))
        self.register_buffer("weights", idf if weights == "idf" else (idf > 0).to(idf.dtype))
        self.embed = nn.Embedding(len(idf), width, padding_idx=PADDING)
        nn.init.normal_(self.embed.weight, std=0.02)
        with torch.no_grad():
            self.embed.weight[: HIDDEN + 1] = 0
        layers: list[nn.Module] = [nn.LayerNorm(width)]
        layers += [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
        self.layers = nn.Sequential(*layers)
        self.dim = width

    def _weighted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (N, T, 1) and weighted embeddings (N, T, width)."""
        weights = self.weights[x].unsqueeze(-1)
        return weights, weights * self.embed(x)

    def _features(self, summed: Tensor, weights: Tensor) -> Tensor:
        # A weight is at least 1; the mean of no token is exactly 0, not a difference's rounding.
        return self.layers(torch.where(weights > 0.5, summed / weights.clamp(min=1), 0))

    def positions(self, x: Tensor) -> Tensor:
        """x (N, T) int64 -> the features of each position from all others (N, T, width)."""
        weights, weighted = self._weighted(x)
        return self._features(weighted.sum(1, keepdim=True) - weighted, weights.sum(1, keepdim=True) - weights)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T) int64 -> (N, width)."""
        weights, weighted = self._weighted(x)
        return self._features(weighted.sum(1), weights.sum(1))
