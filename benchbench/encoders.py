"""A trained encoder by itself: written to a folder, read from it, and as ONNX."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from benchbench.components import Backbone, SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.evaluation import fit
from benchbench.nn import convert_norm
from benchbench.settings import ComponentRef
from benchbench.store import atomic_write

WEIGHTS, ONNX = "encoder.safetensors", "encoder.onnx"
#: How far outputs of the ONNX file may be from the encoder's: the largest difference of a feature.
TOLERANCE = 1e-4


class Encoder(nn.Module):
    """An encoder that takes images as they come: (N, C, H, W) in [0, 1], of any size, grey or colour, are brought to
    the `sample` it was trained on (`benchbench.evaluation.fit`), and become features (N, dim)."""

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
    """The encoder that ``benchbench export`` wrote: a folder, or its safetensors file. In evaluation mode, on the CPU.

    Raises BenchbenchError for what is no such file, and where its backbone is not installed.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    header, tensors = _read(file)
    sample = SampleSpec(**{**header["sample"], "shape": tuple(header["sample"]["shape"])})
    backbone: Backbone = ComponentRef(**header["backbone"]).build(sample)
    convert_norm(backbone)
    backbone.load_state_dict(tensors)
    return Encoder(backbone, sample)


def exported_training(folder: Path) -> str | None:
    """The key of the training whose encoder `save_encoder` wrote into `folder`; None where it holds no such file."""
    try:
        return str(_read(folder / WEIGHTS)[0]["about"]["training"])
    except (BenchbenchError, KeyError):
        return None


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the weights. Raises BenchbenchError for what is no exported encoder."""
    try:
        with safe_open(file, "pt") as held:
            return json.loads((held.metadata() or {})["encoder"]), load_file(file)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise BenchbenchError(
            f"{file} is no exported encoder ({type(error).__name__}): expected what `benchbench export` writes"
        ) from None


def write_onnx(path: Path, encoder: Encoder) -> float:
    """Write an encoder as ONNX, from images (N, *sample) to features (N, dim) for any N, once its features on two
    batches are the encoder's; returns the largest difference.

    Raises BenchbenchError where the extra ``onnx`` is not installed, or the outputs differ by more than `TOLERANCE`.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BenchbenchError(f"--onnx needs {error.name}: pip install 'benchbench-suite[onnx]'") from None
    generator = torch.Generator().manual_seed(0)
    batches = [torch.rand(n, *encoder.sample.shape, generator=generator) for n in (2, 5)]
    dynamic = {"x": {0: torch.export.Dim("batch", min=1)}}
    program = torch.onnx.export(
        encoder.backbone, (batches[0],), dynamo=True, dynamic_shapes=(dynamic["x"],), input_names=["images"],
        output_names=["features"], verbose=False,
    )  # fmt: skip
    assert program is not None
    content = program.model_proto.SerializeToString()
    run = onnx_run(content)
    with torch.no_grad():
        difference = max(float((run(x) - encoder.backbone(x)).abs().max()) for x in batches)
    if difference > TOLERANCE:
        raise BenchbenchError(f"the ONNX file's features differ by {difference:.2g}, more than {TOLERANCE}")
    atomic_write(path, content)
    return difference


def onnx_run(model: bytes | Path) -> Callable[[Tensor], Tensor]:
    """What an ONNX file, or its content, makes of images (N, *sample): ONNX Runtime's features (N, dim), on one thread
    of the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    held = str(model) if isinstance(model, Path) else model
    session = onnxruntime.InferenceSession(held, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"images": x.numpy()})[0])


def latency(run: Callable[[Tensor], Tensor], sample: SampleSpec, batch: int, repeats: int = 20) -> float:
    """Milliseconds that `run` takes for a batch of images on one thread of this machine: the median of some runs after
    a first."""
    x, threads = torch.rand(batch, *sample.shape), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        with torch.no_grad():
            for _ in range(repeats + 1):
                started = time.perf_counter()
                run(x)
                times.append(1000 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times[1:])
