from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, SampleSpec, task_batch_norm


class Conv4(Backbone):
    """Four blocks of 3x3 convolution, batch norm, ReLU and 2x2 max-pool (Vinyals et al. 2016, arXiv 1606.04080; Snell
    et al. 2017): 28 px give `width` features. `downsample` by ``stride`` has strided convolutions and a global mean
    instead (Finn et al. 2017, for Omniglot).

    The convolutions have no bias, which the norm would remove, and ReLU follows the pool: the same function, cheaper.
    Inputs are taken as they are: the first norm follows a linear map of them. Weights begin as torch's own: behind a
    norm, larger ones only slow learning.
    """

    #: 2: torch's own initialisation, for Kaiming's.
    revision = 2
    provides = frozenset({"feature_maps"})

    def __init__(
        self,
        sample: SampleSpec,
        *,
        width: Annotated[int, Field(ge=1)] = 64,
        downsample: Literal["max-pool", "stride"] = "max-pool",
    ):
        super().__init__()
        channels, *size = sample.shape
        self.pooled = downsample == "max-pool"
        self.stride = 1 if self.pooled else 2
        self.convs = nn.ModuleList(
            nn.Conv2d(channels if i == 0 else width, width, 3, self.stride, 1, bias=False) for i in range(4)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(4))
        self.to(memory_format=torch.channels_last)  # half the time at test, a tenth less in training, on CPUs
        self.dim = width
        if self.pooled:
            if min(size) < 16:
                raise BenchbenchError(f"conv4 halves an image four times and needs 16 px, got {tuple(size)}")
            self.dim = width * (size[0] // 16) * (size[1] // 16)

    def _after(self, x: Tensor) -> Tensor:
        return F.relu(F.max_pool2d(x, 2) if self.pooled else x)

    def _features(self, x: Tensor) -> Tensor:
        return x.flatten(1) if self.pooled else x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, dim)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self._after(norm(conv(x)))
        return self._features(x)

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """The output of each block by its stride: (N, width, H / stride, W / stride)."""
        maps = {}
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = self._after(norm(conv(x)))
            maps[2 ** (i + 1)] = x
        return maps

    def encode_tasks(
        self, x: Tensor, params: Mapping[str, Tensor], *, running: bool, support: int | None = None
    ) -> Tensor:
        """B tasks, each under its own weights, in the channel dimension of grouped convolutions: x (B, n, *shape) and
        name -> (B, *p) -> (B, n, dim). Batch norm is then per task for nothing.
        """
        tasks, samples = x.shape[:2]
        own = dict(self.named_parameters())

        def weight(name: str) -> Tensor:
            return params[name] if name in params else own[name].expand(tasks, *own[name].shape)

        last = torch.channels_last
        x = x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=last)  # (n, B*C, H, W)
        for i, norm in enumerate(self.norms):
            kernels = weight(f"convs.{i}.weight").flatten(0, 1).contiguous(memory_format=last)
            x = F.conv2d(x, kernels, None, self.stride, 1, groups=tasks)
            scale, shift = weight(f"norms.{i}.weight"), weight(f"norms.{i}.bias")
            x = self._after(task_batch_norm(x, norm, scale, shift, running=running, support=support))
        x = self._features(x.unflatten(1, (tasks, -1)).flatten(0, 1))  # (n*B, dim)
        return x.unflatten(0, (samples, tasks)).transpose(0, 1)
