"""Fitting images of any size and colour to what an encoder takes."""

from torch import Tensor
from torch.nn import functional as F

from benchbench.encoding.backbone import SampleSpec


def fit(x: Tensor, sample: SampleSpec) -> Tensor:
    """Images (N, C, H, W) as an encoder of `sample` takes them: resized bilinearly with antialiasing; grey images are
    repeated over the channels, colour images averaged to one."""
    channels, *size = sample.shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if list(x.shape[2:]) != size:
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True).clamp(0, 1)
    return x
