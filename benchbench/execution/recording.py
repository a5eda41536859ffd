"""Turns a scored cell into its record."""

import math
import platform
import resource
import time
from typing import Any

import numpy as np
import torch

from benchbench.components.code import component_hash
from benchbench.components.reference import recorded_settings
from benchbench.components.registry import find
from benchbench.data.duplicates import Overlap, overlap
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.sample import PADDING
from benchbench.errors import TrainingFailed
from benchbench.evaluation.target import Target
from benchbench.evaluation.trained import Trained
from benchbench.rng import Rng
from benchbench.store.records import Cost, Flags, Metric, Record, Summary
from benchbench.training.chain import Cell, Training, uses_labels
from benchbench.training.stage import CHUNK, StageResult


def _identity(training: Training, cell: Cell) -> dict[str, Any]:
    protocol, target = (
        {"name": ref.name, "revision": ref.revision, "settings": recorded_settings(ref)}
        for ref in (cell.component, cell.target)
    )
    names = training.names | cell.names
    content = {**training.content, "recipe": training.recipe, "target": target, "protocol": protocol}
    return {
        "key": cell.key,
        "training_key": training.key,
        "matrix": training.matrix,
        "method": training.method,
        "source": training.source_name,
        "target": cell.target.bare,
        "protocol": cell.protocol,
        "seed": training.seed,
        "content": content | ({"names": names} if names else {}),
    }


def scored(
    training: Training, cell: Cell, trained: Trained, stages: list[StageResult], data: Prepared, device: str
) -> Record:
    """Evaluate `trained` on a cell and record it, with what its stages cost."""
    started = time.monotonic()
    target_data = prepare(cell.target)
    target = Target(target_data, trained.sample, device=device)
    adapted, depended = trained.adaptations, trained.dependences
    scores = cell.component.build().evaluate(trained, target, Rng(training.seed, "evaluate", cell.protocol))
    for name, s in scores.items():
        if not all(map(math.isfinite, s.values)):
            raise TrainingFailed(f"protocol {cell.protocol}: a score of {name} on {cell.target.bare} is not finite")
    metrics = {name: Metric(values=s.values, denominator=s.denominator, unit=s.unit) for name, s in scores.items()}
    identity = _identity(training, cell)
    identity["content"]["target"] |= {"fingerprint": target_data.fingerprint, "pixels": target_data.table.pixel_hash}
    # Records of before there were others have none.
    if target_data.dataset.modality != "image":
        identity["content"]["modality"] = target_data.dataset.modality
    if target_data.split.test_rows:
        identity["content"]["target"]["division"] = "samples"
    identity["content"]["source_pixels"] = data.table.pixel_hash
    if not training.floor and (shared := overlap(data, target_data)) != Overlap((), 0):
        identity["content"]["overlap"] = {"classes": list(shared.classes), "images": shared.images}
    if trained.sample.vocabulary:
        identity["content"]["tokens"] = round(sum(s.samples for s in stages) * _mean_tokens(data))
    identity["content"]["training_ways"] = [s.ways for s in stages]
    identity["content"]["training_meta_batch"] = [s.meta_batch for s in stages]
    learner = trained.learner
    identity["content"]["norm"] = {"train": learner.train_norm, "test": learner.test_norm}
    identity["content"]["adaptation_steps"] = learner.adaptation_steps
    if trained.encoder.pretrained_on is not None:
        identity["content"]["pretrained_on"] = trained.encoder.pretrained_on
    if trained.encoder.pretrained_labels is not None:
        identity["content"]["pretrained_labels"] = trained.encoder.pretrained_labels
    labels = any(uses_labels(s.pretext) for s in training.stages)
    chosen_by = {t["criterion"] for t in training.content.get("tuned", ())}
    chosen_by |= set() if training.floor else {training.recipe["selection"]}
    return Record(
        **identity,
        status="ok",
        scores=metrics,
        summary={name: Summary.of(m) for name, m in metrics.items()},
        episodes_hash=target.episodes_hash,
        cost=Cost(
            parameters=sum(p.numel() for p in trained.encoder.parameters()),
            samples=sum(s.samples for s in stages),
            encoder_passes=sum(s.encoder_passes for s in stages),
            flops=sum(s.flops for s in stages),
        ),
        flags=Flags(
            # Whatever the learner declares, scores that changed with the other queries are transductive.
            transductive=trained.dependences > depended or (trained.transductive and trained.adaptations > adapted),
            labels="source" if labels else "none",
            selection_labels="source" if "labelled-valid" in chosen_by else "none",
            selection=training.recipe["selection"],
            floor=training.floor,
        ),
        curve=[point for s in stages for point in s.curve],
        timing={
            "train_seconds": sum(s.seconds for s in stages),
            "evaluation_seconds": time.monotonic() - started,
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        },
        environment=environment(training, device, stages),
    )


def _mean_tokens(data: Prepared) -> float:
    """The mean number of tokens of a training sample."""
    held = data.table.x[np.isin(data.table.labels, data.split.train)]
    return float((held != PADDING).sum(1).mean()) if len(held) else 0.0


def failed(
    training: Training, cell: Cell, reason: str, device: str, evidence: dict[str, str], seconds: float
) -> Record:
    """The record of a cell that could not be scored. `evidence` and `seconds` (how long it took to fail) are
    volatile."""
    flags = Flags(transductive=False, labels="none", selection=training.recipe["selection"], floor=training.floor)
    about = environment(training, device, [])
    return Record(
        **_identity(training, cell),
        status="failed",
        reason=reason,
        flags=flags,
        timing={"failed_seconds": seconds},
        environment={**about, "failure": evidence} if evidence else about,
    )


def environment(training: Training, device: str, stages: list[StageResult]) -> dict[str, Any]:
    """What a result was made with. The code recorded for a stage is the code it was trained with, which may be older.
    ``tasks_at_once`` means that meta-batches were split further because GPU memory was short."""
    refs = {training.backbone.name: training.backbone, training.learner.name: training.learner}
    refs |= {s.pretext.name: s.pretext for s in training.stages}
    versions = {find(r.kind, r.name).distribution: find(r.kind, r.name).version for r in refs.values()}
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "machine": platform.machine(),
        "distributions": versions,
        "source_hashes": current_sources(training) | {k: v for s in stages for k, v in s.sources.items()},
        **({"tasks_at_once": min(s.chunk for s in stages)} if any(s.chunk < CHUNK for s in stages) else {}),
    }


def current_sources(training: Training) -> dict[str, str]:
    """The current hash of the code of each component of a training."""
    refs = [training.backbone, training.learner, *(r for s in training.stages for r in s.components)]
    return {ref.name: component_hash(ref) for ref in refs}
