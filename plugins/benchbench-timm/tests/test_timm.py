"""timm's models hold the contract of backbones, and local weights are what they are trained on."""

import hashlib

import pytest
import timm
import torch
from benchbench_timm import MobileNetV3, ResNet, Timm, ViT
from safetensors.torch import save_file

from benchbench import BenchbenchError, SampleSpec
from benchbench.testing import conformance

SAMPLE = SampleSpec("image", (3, 32, 32))

test_resnet_conforms = conformance(ResNet, model="test_resnet")
test_vit_conforms = conformance(ViT)


@pytest.mark.parametrize("cls", [MobileNetV3, ResNet, ViT])
def test_features_are_timms_on_normalised_pixels(cls: type[Timm]) -> None:
    encoder = cls(SAMPLE).eval()
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(encoder.model.pretrained_cfg[k]).view(3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad():
        assert torch.equal(encoder(x), encoder.model((x - mean) / std))
        assert encoder(x).shape == (2, encoder.dim)
    assert encoder.pretrained_on is None


def test_feature_maps_have_the_strides_of_a_resnet() -> None:
    with torch.no_grad():
        maps = ResNet(SAMPLE, model="test_resnet").eval().feature_maps(torch.rand(1, 3, 64, 96))
    assert {stride: tuple(m.shape[2:]) for stride, m in maps.items()} == {
        2: (32, 48), 4: (16, 24), 8: (8, 12), 16: (4, 6), 32: (2, 3),
    }  # fmt: skip


def test_local_weights_are_loaded_and_checked(tmp_path) -> None:
    torch.manual_seed(5)
    whole = timm.create_model("test_resnet", num_classes=10).eval()
    path = tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    encoder = Timm(SAMPLE, model="test_resnet", weights=str(path), sha256=digest).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        # The classifier that was cut off, applied by hand, gives what the whole model gives.
        again = whole.get_classifier()(encoder(x))
        assert torch.allclose(again, whole((x - encoder.mean) / encoder.std), atol=1e-5)
    assert encoder.pretrained_on == f"sha256:{digest}"
    with pytest.raises(BenchbenchError, match=rf"have the SHA-256 {digest}, expected {'0' * 64}"):
        Timm(SAMPLE, model="test_resnet", weights=str(path), sha256="0" * 64)
    with pytest.raises(BenchbenchError, match="'weights' and 'sha256' come together"):
        Timm(SAMPLE, model="test_resnet", weights=str(path))
    with pytest.raises(BenchbenchError, match=r"expected an existing \.safetensors file"):
        Timm(SAMPLE, model="test_resnet", weights=str(tmp_path / "none.pth"), sha256=digest)


def test_an_unknown_model_and_a_size_that_does_not_fit_are_said() -> None:
    with pytest.raises(BenchbenchError, match="unknown model 'resnet10x'; did you mean 'resnet10t'"):
        Timm(SAMPLE, model="resnet10x")
    with pytest.raises(BenchbenchError, match=r"test_convnext does not take samples of shape \(1, 28, 28\)"):
        Timm(SampleSpec("image", (1, 28, 28)), model="test_convnext")
