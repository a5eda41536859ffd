"""Turns a record and its checkpoint into a standalone encoder, with its model card."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.components.reference import ComponentRef
from benchbench.components.registry import find
from benchbench.data.pool import Pool
from benchbench.data.prepare import prepare
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.task_norm import convert_norm, has_norm
from benchbench.errors import BenchbenchError, suggest
from benchbench.evaluation.trained import STATISTICS_SAMPLES, restated
from benchbench.export.card import model_card
from benchbench.export.encoder import Encoder, exported_training, save_encoder
from benchbench.export.onnx import ONNX, latency, onnx_run, write_onnx
from benchbench.planning.floors import sample_of_floor
from benchbench.rng import Rng, seeded_globals
from benchbench.store.files import Store, atomic_write, read_records
from benchbench.store.records import Record
from benchbench.training.checkpoints import Damaged, load_checkpoint


def records_of(results: Path, key: str) -> list[Record]:
    """The records of the training whose key, or one of whose records' keys, begins with `key`. Raises BenchbenchError
    if there is no such training, or more than one."""
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
    """The encoder behind a record, and its backbone. If its learner is tested without running statistics, training
    never updated these, so they are taken from samples of the source's training classes.

    Raises BenchbenchError if the checkpoint is gone or damaged, or a component is not installed.
    """
    content = record.content
    ref = _component("backbone", content["backbone"])
    source = None if record.flags.floor else prepare(_component("dataset", content["source"]))
    sample = source.sample if source else sample_of_floor(content)
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
        try:
            load_checkpoint(file, {"encoder": backbone}, key=content["stages"][-1])
        except Damaged as error:
            raise BenchbenchError(f"{error}: run its matrix again into another folder") from None
    if source and content["norm"]["test"] != "running" and has_norm(backbone):
        pool = Pool.of(source.table, source.split, "train", name=source.name, labelled=False, sample=sample)
        places = torch.linspace(0, len(pool) - 1, min(len(pool), STATISTICS_SAMPLES)).long()
        backbone = restated(backbone, [pool.samples(part) for part in places.split(256)])
    return Encoder(backbone, sample), ref


def export(results: Path, key: str, folder: Path, *, onnx: bool = False) -> list[Path]:
    """Write the encoder of a training into `folder` as safetensors, with a model card and, if `onnx` is set, as ONNX;
    returns the files.

    Raises BenchbenchError if `folder` holds anything but an earlier export of this training; see also `records_of` and
    `encoder_of`.
    """
    records = records_of(results, key)
    training = records[0].training_key
    if folder.is_dir() and any(folder.iterdir()) and exported_training(folder) != training:
        raise BenchbenchError(
            f"{folder} is not empty, and what it holds is no export of training {training[:12]}: --output names a new "
            "folder"
        )
    encoder, ref = encoder_of(results, records[0])
    about = {"training": training, "method": asdict(records[0].method), "source": records[0].source}
    files = [save_encoder(folder, encoder.backbone, ref, encoder.sample, about)]
    difference = None
    runs: dict[str, Callable[[Tensor], Tensor]] = {f"torch {torch.__version__}": encoder.backbone}
    # A file from an earlier export would not match the new card.
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


def _component(kind: str, content: dict[str, Any]) -> ComponentRef:
    """The component in a record's content. Raises BenchbenchError if it is not installed."""
    find(kind, content["name"])
    return ComponentRef(kind=kind, **{k: content[k] for k in ("name", "revision", "settings")})
