"""A trained encoder on its own: written to a folder, and read back."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from benchbench.components.reference import ComponentRef
from benchbench.encoding.backbone import Backbone, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench.errors import BenchbenchError
from benchbench.evaluation.fitting import fit
from benchbench.store.files import atomic_write

WEIGHTS = "encoder.safetensors"


class Encoder(nn.Module):
    """An encoder for images of any size, grey or colour: (N, C, H, W) in [0, 1] are fitted to the `sample` it was
    trained on (`benchbench.evaluation.fitting.fit`) and turned into features (N, dim)."""

    def __init__(self, backbone: Backbone, sample: SampleSpec):
        super().__init__()
        self.backbone, self.sample, self.dim = backbone.eval(), sample, backbone.dim

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, dim)."""
        return self.backbone(fit(x, self.sample))

    @torch.no_grad()
    def embed(self, x: Tensor, batch_size: int = 256) -> Tensor:
        """The features of many images, batch by batch, without gradients."""
        return torch.cat([self(part) for part in x.split(batch_size)])


def save_encoder(
    folder: Path, backbone: Backbone, ref: ComponentRef, sample: SampleSpec, about: dict[str, Any]
) -> Path:
    """Write the weights into `folder`, with what `load_encoder` needs and `about` in the header; returns their file."""
    header = {"backbone": ref.model_dump(mode="json"), "sample": vars(sample), "about": about}
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
    sample = SampleSpec(**{**header["sample"], "shape": tuple(header["sample"]["shape"])})
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
