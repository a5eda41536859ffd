from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, SampleSpec
from benchbench_standard.backbones.attention_block import AttentionBlock

SIZES = {"tiny": (192, 3), "small": (384, 6)}


class ViT(Backbone):
    """Vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) in DeiT's sizes tiny and small, of `depth` blocks;
    the features are the mean of the patch tokens. `patch` is 4 px below 48 px, 8 below 128 px, else 16, unless given. A
    ragged edge is padded; at another size than the sample's the positions are interpolated."""

    provides = frozenset({"tokens", "feature_maps"})

    def __init__(
        self,
        sample: SampleSpec,
        *,
        size: Literal["tiny", "small"] = "tiny",
        depth: Annotated[int, Field(ge=1)] = 12,
        patch: Annotated[int, Field(ge=1)] | None = None,
    ):
        super().__init__()
        channels, height, width = sample.shape
        self.dim, heads = SIZES[size]
        small = min(height, width)
        self.patch = patch or (4 if small < 48 else 8 if small < 128 else 16)
        self.embed = nn.Conv2d(channels, self.dim, self.patch, self.patch)
        self.position = nn.Parameter(torch.empty(1, self.dim, -(-height // self.patch), -(-width // self.patch)))
        self.blocks = nn.Sequential(*(AttentionBlock(self.dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(self.dim)
        nn.init.trunc_normal_(self.position, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def _patches(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> embedded patches with their positions (N, dim, h, w); the input is moved to [-1, 1]."""
        edge = (0, -x.shape[-1] % self.patch, 0, -x.shape[-2] % self.patch)
        patches = self.embed(F.pad(2 * x - 1, edge))
        if patches.shape[2:] == self.position.shape[2:]:
            return patches + self.position
        return patches + F.interpolate(self.position, patches.shape[2:], mode="bicubic")

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Patch tokens (N, T, dim) after the last block; `keep` (N, K) int64 leaves only those patches in."""
        tokens = self._patches(x).flatten(2).mT
        if keep is not None:
            tokens = tokens.gather(1, keep.unsqueeze(-1).expand(-1, -1, self.dim))
        return self.norm(self.blocks(tokens))

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """The tokens as one map, {patch: (N, dim, H / patch, W / patch)}."""
        patches = self._patches(x)
        return {self.patch: self.norm(self.blocks(patches.flatten(2).mT)).mT.reshape(patches.shape)}

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, dim)."""
        return self.tokens(x).mean(1)
