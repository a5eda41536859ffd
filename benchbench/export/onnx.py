"""An encoder as ONNX, checked against the encoder itself, and how long each takes."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchbench.data.modality import modality_named
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import BenchbenchError
from benchbench.export.encoder import Encoder
from benchbench.store.files import atomic_write

ONNX = "encoder.onnx"
#: The largest difference allowed between a feature from the ONNX file and the encoder's.
TOLERANCE = 1e-4


def write_onnx(path: Path, encoder: Encoder) -> float:
    """Write an encoder as ONNX, from samples (N, *shape) to features (N, dim) for any N, after checking that its
    features on two batches match the encoder's; returns the largest difference.

    Raises BenchbenchError if the extra ``onnx`` is not installed, or the outputs differ by more than `TOLERANCE`.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BenchbenchError(f"--onnx needs {error.name}: pip install 'benchbench-suite[onnx]'") from None
    generator = torch.Generator().manual_seed(0)
    modality = modality_named(encoder.sample.modality)
    batches = [modality.examples(encoder.sample, n, generator) for n in (2, 5)]
    dynamic = {"x": {0: torch.export.Dim("batch", min=1)}}
    program = torch.onnx.export(
        encoder.backbone, (batches[0],), dynamo=True, dynamic_shapes=(dynamic["x"],), output_names=["features"],
        input_names=["images" if encoder.sample.dtype == "float32" else "ids"], verbose=False,
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
    """A function from samples (N, *shape) to features (N, dim): it runs an ONNX file, or its content, with ONNX Runtime
    on one thread of the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    held = str(model) if isinstance(model, Path) else model
    session = onnxruntime.InferenceSession(held, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {given: x.numpy()})[0])


def latency(run: Callable[[Tensor], Tensor], sample: SampleSpec, batch: int, repeats: int = 20) -> float:
    """Milliseconds that `run` takes for a batch of images on one thread of this machine: the median of `repeats` runs
    after a warm-up run."""
    generator = torch.Generator().manual_seed(0)
    x, threads = modality_named(sample.modality).examples(sample, batch, generator), torch.get_num_threads()
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
