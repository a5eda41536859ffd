import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from benchbench import Backbone, SampleSpec


class ResNet18(Backbone):
    """ResNet-18 (He et al. 2016, arXiv 1512.03385), torchvision's body with random weights. Below 64 px its stem is a
    3x3 convolution without pooling, as SimCLR uses for CIFAR (Chen et al. 2020, appendix B.9)."""

    #: 2: channels lie last in memory, which rounds otherwise and takes a tenth less time on CPUs.
    revision = 2
    provides = frozenset({"feature_maps"})
    dim = 512

    def __init__(self, sample: SampleSpec):
        super().__init__()
        body = resnet18(weights=None)
        small = min(sample.shape[1:]) < 64
        kernel, stride = (3, 1) if small else (7, 2)
        body.conv1 = nn.Conv2d(sample.shape[0], 64, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.stem = nn.Sequential(body.conv1, body.bn1, body.relu, nn.Identity() if small else body.maxpool)
        self.layers = nn.ModuleList([body.layer1, body.layer2, body.layer3, body.layer4])
        self.first = 1 if small else 4
        self.to(memory_format=torch.channels_last)

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """The output of each layer by its stride."""
        x, maps = self.stem(x), {}
        for i, layer in enumerate(self.layers):
            x = layer(x)
            maps[self.first * 2**i] = x
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, 512)."""
        return self.feature_maps(x)[self.first * 8].mean((2, 3))
