from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import PADDING, Backbone, BenchbenchError, SampleSpec


class Conv1d(Backbone):
    """Embedded tokens, `depth` convolutions over `kernel` neighbours, each with layer norm and ReLU, and the maximum of
    each feature over all places (Kim 2014, arXiv 1408.5882, section 2), as for words also for DNA (Gresova, Martinek,
    Cechak, Simecek & Alexiou 2023, Genomic Benchmarks). `pool` "mean" takes their mean instead.

    Kim's network has one convolution, of kernels of several sizes side by side. Here a few follow each other, as in
    Genomic Benchmarks', but without its pooling between them, so that each place keeps its features (`positions`).
    Layer norm stands in place of batch norm: a sample's features do not depend on how many tokens of its batch are
    padding. Padding is zero before each convolution, so that more of it changes nothing.
    """

    modalities = frozenset({"text", "sequence"})
    provides = frozenset({"positions"})

    def __init__(
        self,
        sample: SampleSpec,
        *,
        width: Annotated[int, Field(ge=1)] = 64,
        depth: Annotated[int, Field(ge=1)] = 3,
        kernel: Annotated[int, Field(ge=1)] = 5,
        pool: Literal["max", "mean"] = "max",
    ):
        super().__init__()
        assert sample.vocabulary is not None
        if kernel % 2 == 0:
            raise BenchbenchError(f"backbone conv1d: kernel is {kernel}: expected an odd number of neighbours")
        self.embedded = nn.Embedding(len(sample.vocabulary), width)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.pool = pool
        self.dim = width

    def positions(self, x: Tensor) -> Tensor:
        """The features of each place, zero at padding: ids x (N, T) -> (N, T, width), not negative."""
        held = (x != PADDING).unsqueeze(-1)
        features = self.embedded(x) * held
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = F.relu(norm(conv(features.mT).mT)) * held
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Ids x (N, T) -> (N, width)."""
        features = self.positions(x)
        if self.pool == "max":
            return features.amax(1)  # padding's zeros are never above what ReLU gives
        return features.sum(1) / (x != PADDING).sum(1, keepdim=True).clamp(min=1)
