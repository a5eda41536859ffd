"""Any image model of timm (https://github.com/huggingface/pytorch-image-models) as a backbone of benchbench."""

import hashlib
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from benchbench import Backbone, BenchbenchError, SampleSpec, located, suggest


class Timm(Backbone):
    """A timm model by its name, without its classifier (Wightman 2019, doi 10.5281/zenodo.4414861): features are what
    stood before it. Models with positions, such as ViTs, take any image size. Without `weights` it is randomly
    initialised; nothing is ever downloaded."""

    provides = frozenset({"feature_maps"})
    #: The weights lie anywhere: it is their checksum that enters the key.
    locators = frozenset({"weights"})

    def __init__(
        self, sample: SampleSpec, *, model: str = "resnet10t", weights: str | None = None, sha256: str | None = None
    ):
        """`model` is one of ``timm.list_models()``. `weights` is a local .safetensors file in timm's format, and
        `sha256` its checksum, without which a record would not say what the encoder had learned before."""
        super().__init__()
        if not timm.is_model(model):
            raise BenchbenchError(f"backbone timm: unknown model {model!r}{suggest(model, timm.list_models())}")
        if (weights is None) != (sha256 is None):
            raise BenchbenchError("backbone timm: settings 'weights' and 'sha256' come together")
        options: dict[str, Any] = {"in_chans": sample.shape[0], "num_classes": 0}
        if weights is not None:
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(_checked(weights, str(sha256)))}}
            self.pretrained_on = f"sha256:{sha256}"
        self.model = _created(model, options)
        self.strides = [level["reduction"] for level in self.model.feature_info]
        config = self.model.pretrained_cfg
        for name in ("mean", "std"):
            values = torch.tensor(config[name], dtype=torch.get_default_dtype())
            values = values if len(values) == sample.shape[0] else values.mean().expand(sample.shape[0])
            self.register_buffer(name, values.clone().view(-1, 1, 1), persistent=False)
        self.dim = self._dim(model, sample)

    def _dim(self, model: str, sample: SampleSpec) -> int:
        """What the model gives, which timm states in several ways."""
        try:
            with torch.no_grad():
                return self.eval()(torch.zeros(1, *sample.shape)).shape[1]
        except (AssertionError, RuntimeError) as error:
            raise BenchbenchError(
                f"backbone timm: {model} does not take samples of shape {sample.shape}: {error}"
            ) from None
        finally:
            self.train()

    def _normalised(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """Each level by its stride, (N, C, h, w); of several levels at one stride the last."""
        maps = self.model.forward_intermediates(self._normalised(x), intermediates_only=True, output_fmt="NCHW")
        return dict(zip(self.strides, maps, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> (N, dim)."""
        return self.model(self._normalised(x))


def _created(model: str, options: dict[str, Any]) -> nn.Module:
    try:
        # Vision transformers: positions are interpolated, and a ragged edge is padded.
        return timm.create_model(model, **options, dynamic_img_size=True, dynamic_img_pad=True)
    except TypeError:
        return timm.create_model(model, **options)


def _checked(weights: str, sha256: str) -> Path:
    path = located(weights, None)
    if path.suffix != ".safetensors" or not path.is_file():
        raise BenchbenchError(f"backbone timm: weights {path}: expected an existing .safetensors file")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256.lower():
        raise BenchbenchError(f"backbone timm: weights {path} have the SHA-256 {found}, expected {sha256}")
    return path


class ResNet(Timm):
    """timm's smallest ResNet, resnet10t (He et al. 2016, arXiv 1512.03385). Settings are those of `Timm`."""

    def __init__(self, sample: SampleSpec, *, model: str = "resnet10t", **weights: Any):
        super().__init__(sample, model=model, **weights)


class MobileNetV3(Timm):
    """A narrow MobileNetV3 (Howard et al. 2019, arXiv 1905.02244). Settings are those of `Timm`."""

    def __init__(self, sample: SampleSpec, *, model: str = "mobilenetv3_small_050", **weights: Any):
        super().__init__(sample, model=model, **weights)


class ViT(Timm):
    """A tiny vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) that timm tests with. Settings are those of
    `Timm`."""

    def __init__(self, sample: SampleSpec, *, model: str = "test_vit", **weights: Any):
        super().__init__(sample, model=model, **weights)
