"""Every standard backbone on every kind of input it may meet."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchbench import BenchbenchError, SampleSpec, encode
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.mlp import MLP
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.backbones.r2d2_net import R2D2Net
from benchbench_standard.backbones.resnet12 import ResNet12
from benchbench_standard.backbones.resnet18 import ResNet18
from benchbench_standard.backbones.vit import ViT

MAKERS = {
    "conv4": lambda sample: Conv4(sample, width=8),
    "conv4-stride": lambda sample: Conv4(sample, width=8, downsample="stride"),
    "mlp": lambda sample: MLP(sample, width=16),
    "pixels": Pixels,
    "r2d2-net": lambda sample: R2D2Net(sample, widths=[8, 8, 8, 8], dropout=0.0),
    "resnet12": lambda sample: ResNet12(sample, width=4),
    "resnet18": ResNet18,
    "vit": lambda sample: ViT(sample, depth=1),
}
SHAPES = [(1, 28, 28), (3, 32, 32), (3, 84, 84), (1, 30, 45)]


def make(name, shape=(1, 28, 28)):
    torch.manual_seed(0)
    return convert_norm(MAKERS[name](SampleSpec("image", shape)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MAKERS)
def test_any_size_and_a_batch_of_one(name, shape):
    encoder, x = make(name, shape).eval(), torch.rand(2, *shape)
    with torch.no_grad():
        features = encoder(x)
        assert features.shape == (2, encoder.dim)
        assert features.isfinite().all()
        torch.testing.assert_close(encoder(x[:1]), features[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["conv4", "conv4-stride", "resnet12", "resnet18", "vit"])
def test_feature_maps_at_another_size(name):
    encoder, x = make(name, (3, 64, 64)).eval(), torch.rand(1, 3, 96, 80)
    assert "feature_maps" in encoder.provides
    for stride, features in encoder.feature_maps(x).items():
        assert features.shape[2:] == (-(-96 // stride), -(-80 // stride))


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "pixels"])
def test_gradients_reach_every_parameter(name):
    encoder = make(name)
    x = torch.rand(1, 6, 1, 28, 28)
    (encode(encoder, x, norm="episode") * torch.randn(6, encoder.dim)).sum().backward()
    for parameter, weight in encoder.named_parameters():
        assert weight.grad is not None, parameter
        assert weight.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "pixels"])
def test_tasks_with_their_own_weights(name):
    """Weights handed in for each task act as if they were the encoder's own, and no buffer moves."""
    encoder, x = make(name), torch.rand(2, 3, 1, 28, 28)
    before = {k: v.clone() for k, v in encoder.named_buffers()}
    params = {k: w.detach().expand(2, *w.shape) for k, w in encoder.named_parameters()}
    with torch.no_grad():
        adapted = encode(encoder, x, params=params, norm="call")
        assert all(torch.equal(v, before[k]) for k, v in encoder.named_buffers())
        torch.testing.assert_close(adapted, encode(encoder, x, norm="call"), rtol=1e-3, atol=1e-3)


def test_pixels_has_nothing_to_train():
    assert list(make("pixels").parameters()) == []
    assert not Pixels.trainable


def test_mlp_takes_any_shape():
    assert MLP(SampleSpec("vector", (7,)), width=5)(torch.rand(4, 7)).shape == (4, 5)


def test_mlp_of_given_widths_is_mamls():
    encoder = MLP(SampleSpec("image", (1, 28, 28)), widths=[256, 128, 64, 64])
    assert [layer.weight.shape for layer in encoder.layers if isinstance(layer, nn.Linear)] == [
        (256, 784), (128, 256), (64, 128), (64, 64),
    ]  # fmt: skip
    assert encoder(torch.rand(3, 1, 28, 28)).shape == (3, encoder.dim) == (3, 64)


def test_r2d2s_network_joins_its_last_two_blocks():
    small = R2D2Net(SampleSpec("image", (3, 32, 32)), widths=[64, 64, 64, 64])
    assert small.dim == 1152
    assert R2D2Net(SampleSpec("image", (3, 32, 32))).dim == (384 + 512) * 9
    with pytest.raises(BenchbenchError, match="16 px"):
        R2D2Net(SampleSpec("image", (1, 14, 28)))


def test_conv4_refuses_what_it_cannot_halve():
    with pytest.raises(BenchbenchError, match="16 px"):
        Conv4(SampleSpec("image", (1, 14, 28)))


def test_conv4_is_the_plain_form():
    """Pooling before ReLU, and no bias before the norm, are the textbook's function."""
    encoder, x = make("conv4").double(), torch.rand(5, 1, 28, 28, dtype=torch.float64)
    plain = x
    for conv, norm in zip(encoder.convs, encoder.norms, strict=True):
        plain = F.conv2d(plain, conv.weight, torch.randn(8, dtype=torch.float64), padding=1)
        plain = F.max_pool2d(F.relu(F.batch_norm(plain, None, None, norm.weight, norm.bias, True)), 2)
    torch.testing.assert_close(encode(encoder, x.unsqueeze(0), norm="call")[0], plain.flatten(1))


def test_vit_tokens_kept():
    encoder, x = make("vit").eval(), torch.rand(2, 1, 28, 28)
    everything = torch.arange(49).expand(2, -1)
    torch.testing.assert_close(encoder.tokens(x, keep=everything), encoder.tokens(x))
    assert encoder.tokens(x, keep=everything[:, 5:15]).shape == (2, 10, encoder.dim)
    torch.testing.assert_close(encoder.feature_maps(x)[4].mean((2, 3)), encoder(x))


@pytest.mark.parametrize(("side", "patch"), [(28, 4), (84, 8), (224, 16)])
def test_vit_patch_follows_the_image(side, patch):
    assert ViT(SampleSpec("image", (3, side, side)), depth=1).patch == patch


@pytest.mark.parametrize(("side", "strides"), [(32, [1, 2, 4, 8]), (84, [4, 8, 16, 32])])
def test_resnet18_stem_follows_the_image(side, strides):
    encoder = make("resnet18", (1, side, side)).eval()
    assert list(encoder.feature_maps(torch.rand(1, 1, side, side))) == strides


def test_conv4_strides_with_a_global_mean_take_small_images():
    assert make("conv4-stride", (1, 8, 8)).eval()(torch.rand(1, 1, 8, 8)).shape == (1, 8)
