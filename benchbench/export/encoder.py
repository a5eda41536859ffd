"""A trained encoder on its own: written to a folder, and read back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from benchbench.components.reference import ComponentRef
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench.errors import BenchbenchError
from benchbench.evaluation.trained import as_taken
from benchbench.store.files import atomic_write

WEIGHTS = "encoder.safetensors"


class Encoder(nn.Module):
    """An encoder for samples of its modality, fitted to the `sample` it was trained on: images (N, C, H, W) in [0, 1]
    of any size, ids (N, T) of its vocabulary, or a list of texts, become features (N, dim)."""

    def __init__(self, backbone: Backbone, sample: SampleSpec):
        super().__init__()
        self.backbone, self.sample, self.dim = backbone.eval(), sample, backbone.dim

    def forward(self, x: Tensor | Sequence[Any]) -> Tensor:
        """x (N, *shape), or a list of texts -> (N, dim)."""
        device = next((t.device for t in self.backbone.state_dict().values()), torch.device("cpu"))
        return self.backbone(as_taken(x, self.sample, device))

    @torch.no_grad()
    def embed(self, x: Tensor | Sequence[Any], batch_size: int = 256) -> Tensor:
        """The features of many samples, batch by batch, without gradients."""
        return torch.cat([self(x[i : i + batch_size]) for i in range(0, max(len(x), 1), batch_size)])


def save_encoder(
    folder: Path, backbone: Backbone, ref: ComponentRef, sample: SampleSpec, about: dict[str, Any]
) -> Path:
    """Write the weights into `folder`, with what `load_encoder` needs and `about` in the header; returns their file."""
    header = {"backbone": ref.model_dump(mode="json"), "sample": sample.as_json(), "about": about}
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in backbone.state_dict().items()}
    atomic_write(folder / WEIGHTS, save(tensors, {"encoder": json.dumps(header, sort_keys=True)}))
    return folder / WEIGHTS


def load_encoder(path: Path | str) -> Encoder:
    """The encoder that ``benchbench export`` wrote, from its folder or its safetensors file. In evaluation mode, on the
    CPU.

    Raises BenchbenchError if the file is not an exported encoder, or its backbone is not installed.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    header, tensors = _read(file)
    sample = SampleSpec.from_json(header["sample"])
    backbone: Backbone = ComponentRef(**header["backbone"]).build(sample)
    convert_norm(backbone)
    backbone.load_state_dict(tensors)
    return Encoder(backbone, sample)


def exported_training(folder: Path) -> str | None:
    """The key of the training whose encoder `save_encoder` wrote into `folder`; None if it holds no such file."""
    try:
        return str(_read(folder / WEIGHTS)[0]["about"]["training"])
    except (BenchbenchError, KeyError):
        return None


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the weights. Raises BenchbenchError if the file is not an exported encoder."""
    try:
        # Opening a FIFO waits for somebody to write into it.
        if file.exists() and not file.is_file():
            raise OSError("no regular file")
        with safe_open(file, "pt") as held:
            return json.loads((held.metadata() or {})["encoder"]), load_file(file)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise BenchbenchError(
            f"{file} is no exported encoder ({type(error).__name__}): expected what `benchbench export` writes"
        ) from None
