"""Curves and scores for TensorBoard, where ``BENCHBENCH_TENSORBOARD`` names a folder: one run a training below it.

It needs the extra ``tensorboard``. Show it with ``tensorboard --logdir FOLDER``. An example of a hook plugin: it writes
down what it is told, and changes nothing.
"""

import os
from pathlib import Path
from typing import Any

from benchbench import BenchbenchError, hookimpl

#: The event file of each running training.
_writers: dict[str, Any] = {}


@hookimpl
def training_started(training: dict[str, Any]) -> None:
    """Open an event file. Raises BenchbenchError where TensorBoard is asked for and not installed."""
    folder = os.environ.get("BENCHBENCH_TENSORBOARD")
    if not folder:
        return
    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise BenchbenchError(
            "BENCHBENCH_TENSORBOARD is set, but not TensorBoard installed: pip install 'benchbench-suite[tensorboard]'"
        ) from None
    parts = (training["matrix"], f"{training['label']} {training['key'][:8]}")
    _writers[training["key"]] = Writer(str(Path(folder, *(part.replace(os.sep, "-") for part in parts))))


@hookimpl
def step_metrics(training: dict[str, Any], step: int, stage: int, metrics: dict[str, float]) -> None:
    """A point of each curve. Every stage counts its steps from 1, so those of later stages get a prefix."""
    if writer := _writers.get(training["key"]):
        prefix = f"stage {stage}/" if stage > 1 else ""
        for name, value in metrics.items():
            writer.add_scalar(f"{prefix}{name}", value, step)


@hookimpl
def record_written(record: Any) -> None:
    """The mean of each metric of a cell, at the samples that were trained on."""
    if writer := _writers.get(record.training_key):
        for name, summary in record.summary.items():
            writer.add_scalar(f"{record.target}/{record.protocol}/{name}", summary.mean, record.cost.samples)


@hookimpl
def training_finished(training: dict[str, Any]) -> None:
    """Close the event file."""
    if writer := _writers.pop(training["key"], None):
        writer.close()


@hookimpl
def training_failed(training: dict[str, Any]) -> None:
    """Close the event file."""
    training_finished(training)


@hookimpl
def training_stopped(training: dict[str, Any]) -> None:
    """Close the event file."""
    training_finished(training)
