"""From a record and its checkpoint to an encoder that leaves the benchmark, with its model card."""

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.checkpoints import load_checkpoint
from benchbench.components import Backbone, SampleSpec
from benchbench.data.pool import Pool
from benchbench.data.prepare import prepare
from benchbench.encoders import (
    ONNX,
    TOLERANCE,
    WEIGHTS,
    Encoder,
    exported_training,
    latency,
    onnx_run,
    save_encoder,
    write_onnx,
)
from benchbench.errors import BenchbenchError, suggest
from benchbench.evaluation import STATISTICS_IMAGES, restated
from benchbench.nn import convert_norm, has_norm
from benchbench.records import Record
from benchbench.registry import find
from benchbench.rng import Rng, seeded_globals
from benchbench.settings import ComponentRef
from benchbench.store import Store, atomic_write, read_records


def records_of(results: Path, key: str) -> list[Record]:
    """The records of the training that `key` begins: the key of a training or of one of its records. Raises
    BenchbenchError where there is none, or more than one."""
    records, _ = read_records(results)
    good = [r for r in records if r.status == "ok"]
    trainings = {r.training_key for r in good if r.key.startswith(key) or r.training_key.startswith(key)}
    if not trainings:
        known = {k[: max(len(key), 12)] for r in good for k in (r.key, r.training_key)}
        raise BenchbenchError(
            f"no training {key!r} in {results}{suggest(key, known)}: `benchbench results list {results}` names its "
            "records"
        )
    if len(trainings) > 1:
        raise BenchbenchError(f"{key!r} begins several keys: {', '.join(sorted(t[:12] for t in trainings))}")
    return [r for r in good if r.training_key in trainings]


def encoder_of(results: Path, record: Record) -> tuple[Encoder, ComponentRef]:
    """The encoder behind a record, and its backbone. Where its learner is tested with other than running statistics,
    which training then never moved, these are those of images of the source's training classes.

    Raises BenchbenchError where the checkpoint is gone, or a component is not installed.
    """
    content = record.content
    ref = _component("backbone", content["backbone"])
    source = None if record.flags.floor else prepare(_component("dataset", content["source"]))
    shape = source.table.shape if source else content["sample"]
    sample = SampleSpec(source.dataset.modality if source else "image", tuple(shape))
    with seeded_globals(Rng(record.seed, "encoder")):
        backbone: Backbone = ref.build(sample)
    convert_norm(backbone)
    if content["stages"]:
        file = Store(results).checkpoint(content["stages"][-1], "final")
        if not file.exists():
            raise BenchbenchError(
                f"the checkpoint {file} of {record.method.label} is not there: run its matrix again into a folder that "
                "keeps checkpoints"
            )
        load_checkpoint(file, {"encoder": backbone})
    if source and content["norm"]["test"] != "running" and has_norm(backbone):
        pool = Pool.of(source.table, source.split, "train", name=source.name, labelled=False)
        places = torch.linspace(0, len(pool) - 1, min(len(pool), STATISTICS_IMAGES)).long()
        backbone = restated(backbone, [pool.images(part) for part in places.split(256)])
    return Encoder(backbone, sample), ref


def export(results: Path, key: str, folder: Path, *, onnx: bool = False) -> list[Path]:
    """Write the encoder of a training into `folder`, as safetensors, with a model card and, if wished, as ONNX; returns
    the files.

    Raises BenchbenchError where `folder` holds anything but an earlier export of this training; see also `records_of`
    and `encoder_of`.
    """
    records = records_of(results, key)
    training = records[0].training_key
    if folder.is_dir() and any(folder.iterdir()) and exported_training(folder) != training:
        raise BenchbenchError(
            f"{folder} is not empty, and what it holds is no export of training {training[:12]}: --output names a new "
            "folder"
        )
    encoder, ref = encoder_of(results, records[0])
    about = {"training": training, "method": records[0].method.model_dump(), "source": records[0].source}
    files = [save_encoder(folder, encoder.backbone, ref, encoder.sample, about)]
    difference = None
    runs: dict[str, Callable[[Tensor], Tensor]] = {f"torch {torch.__version__}": encoder.backbone}
    # One that an earlier export wrote is of no card any more.
    (folder / ONNX).unlink(missing_ok=True)
    if onnx:
        difference = write_onnx(folder / ONNX, encoder)
        files.append(folder / ONNX)
        runs[f"ONNX Runtime {version('onnxruntime')}"] = onnx_run(folder / ONNX)
    times = {
        name: ", ".join(f"{latency(run, encoder.sample, n):.2f} ms for {n}" for n in (1, 32))
        for name, run in runs.items()
    }
    card = folder / "README.md"
    atomic_write(card, model_card(records, encoder, times, difference).encode())
    return [*files, card]


def model_card(records: list[Record], encoder: Encoder, times: Mapping[str, str], difference: float | None) -> str:
    """The card as Markdown: how the encoder was trained, what it scored, its licence and how to load it. `times` says
    how long each runtime takes, `difference` how far the ONNX file's features are from the encoder's."""
    first = records[0]
    source = None if first.flags.floor else _component("dataset", first.content["source"]).load()
    licence = getattr(source, "licence", "") or "not stated"
    rows = [
        f"| {r.target} | {r.protocol} | {name} | {s.mean:.4f} | "
        + ("| |" if r.scores[name].unit == "target" else f"{s.ci95:.4f} | {s.n} |")
        for r in sorted(records, key=lambda r: (r.target, r.protocol))
        for name, s in r.summary.items()
        # How alike pairs of images are has no mean that says anything.
        if r.scores[name].unit != "pair"
    ]
    recipe = first.content["recipe"]
    images = " x ".join(map(str, encoder.sample.shape))
    lines = [
        f"# {first.method.label}, {first.method.backbone}, trained on {first.source}",
        "",
        f"An encoder of {images} images to {encoder.dim} features, exported by benchbench.",
        "",
        "## How it was trained",
        "",
        *_facts(
            pretext=_described(first.content["pretext"]),
            meta=_described(first.content["learner"]),
            backbone=_described(first.content["backbone"]),
            pretrained=encoder.backbone.pretrained_on or "no",
            regime=first.method.regime,
            source="nothing: it was not trained" if first.flags.floor else _described(first.content["source"]),
            budget=_listed(recipe["budget"]),
            optimisation=_listed(recipe["training"]),
            seed=first.seed,
            labels=first.flags.labels,
            selection=first.flags.selection,
            training=first.training_key,
            torch=first.environment.get("torch", "unknown"),
        ),
        "",
        "## Scores",
        "",
        "Means over n test episodes or images, with the half-width of their 95% interval; what has none describes the "
        "features of a whole target.",
        "",
        "| target | protocol | metric | mean | ± | n |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "## Licence",
        "",
        f"The weights derive from the data of {first.source}: {licence}. "
        f"{getattr(source, 'citation', '') or ''}".rstrip(),
        "",
        "## Use",
        "",
        "```python",
        "import benchbench",
        "",
        'encoder = benchbench.load_encoder("path/to/this/folder")',
        "features = encoder.embed(images)  # (N, C, H, W) in [0, 1] -> (N, dim)",
        "```",
        "",
        f"`{WEIGHTS}` holds the weights. Latency on one thread of {platform.machine()}: "
        + "; ".join(f"{name}: {time}" for name, time in times.items())
        + ".",
    ]
    if difference is not None:
        lines += [
            "",
            f"`{ONNX}` takes images (N, {images.replace(' x ', ', ')}) in [0, 1] and gives the same features: the "
            f"largest difference found was {difference:.2g}, at most {TOLERANCE} is allowed.",
        ]
    return "\n".join(lines) + "\n"


def _facts(**facts: Any) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]


def _described(content: dict[str, Any]) -> str:
    settings = _listed(content["settings"])
    return f"{content['name']} (revision {content['revision']})" + (f": {settings}" if settings else "")


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _component(kind: str, content: dict[str, Any]) -> ComponentRef:
    """The component of a record's content. Raises BenchbenchError where it is not installed."""
    find(kind, content["name"])
    return ComponentRef(kind=kind, **{k: content[k] for k in ("name", "revision", "settings")})
