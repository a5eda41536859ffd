from math import ceil
from typing import Annotated, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Batch, BenchbenchError, Pretext, Rng, SampleSpec


class Inpainting(Pretext):
    """Reconstruct masked patches: a masked autoencoder (He et al. 2022, arXiv 2111.06377, section 3). The encoder sees
    the patches that are kept alone; a small transformer puts a learned token in place of the others and predicts their
    pixels. The loss is the mean squared error over masked patches, each normalised by its own mean and variance.

    Positions of the decoder are learned, the paper's are sines. It needs a backbone with tokens: for convolutional ones
    nothing stands in.
    """

    synonyms = ("mae", "masked-autoencoder")
    requires = frozenset({"tokens"})
    objectives = frozenset({"plain"})

    def __init__(
        self,
        encoder: Backbone,
        sample: SampleSpec,
        *,
        mask: Annotated[float, Field(gt=0, lt=1)] = 0.75,
        width: Annotated[int, Field(ge=8, multiple_of=8)] = 128,
        depth: PositiveInt = 2,
    ):
        """`mask` is the part of the patches that is masked; `width` and `depth` are the decoder's."""
        super().__init__(encoder, sample)
        self.patch = cast(int, encoder.patch)
        channels, *sides = sample.shape
        self.count = ceil(sides[0] / self.patch) * ceil(sides[1] / self.patch)
        self.kept = self.count - round(mask * self.count)
        if not 0 < self.kept < self.count:
            raise BenchbenchError(f"pretext inpainting: mask {mask} of {self.count} patches keeps {self.kept}")
        self.narrow = nn.Linear(encoder.dim, width)
        self.token = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(self.count, width), std=0.02))
        layer = nn.TransformerEncoderLayer(width, 8, 4 * width, 0.0, F.gelu, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.pixels = nn.Linear(width, channels * self.patch**2)

    def patches(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the pixels of its patches in reading order, normalised: (N, T, C * patch^2)."""
        edge = (0, -x.shape[-1] % self.patch, 0, -x.shape[-2] % self.patch)
        # Grey at a ragged edge, as where the encoder's own padding lies.
        pixels = F.unfold(F.pad(x, edge, value=0.5), self.patch, stride=self.patch).mT
        variance, mean = torch.var_mean(pixels, -1, keepdim=True)
        return (pixels - mean) / (variance + 1e-6).sqrt()

    def decoded(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Every patch's predicted pixels, (N, T, C * patch^2), from the tokens (N, K, dim) of the first K of `order`
        (N, T)."""
        masked = self.token.expand(len(tokens), self.count - tokens.shape[1], -1)
        shuffled = torch.cat([self.narrow(tokens), masked], 1)
        back = order.argsort(1).unsqueeze(-1).expand_as(shuffled)
        return self.pixels(self.decoder(shuffled.gather(1, back) + self.position))

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """Mean squared error over masked patches: batch.x (N, C, H, W) -> a scalar."""
        order = torch.rand(len(batch.x), self.count, generator=rng.cpu).argsort(1).to(batch.x.device)
        tokens = cast(Tensor, self.encoder.tokens(batch.x, keep=order[:, : self.kept]))  # type: ignore[operator]
        errors = (self.decoded(tokens, order) - self.patches(batch.x)).square().mean(-1)
        return errors.gather(1, order[:, self.kept :]).mean()
