"""benchbench: a benchmark of meta-learning x self-supervised learning.

Everything a plugin author or a script needs is here; the modules below are internal. Names are imported on first use,
so ``import benchbench`` alone does not import torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Amount": "evaluation.division",
    "Archive": "data.archives",
    "Backbone": "encoding.backbone",
    "Batch": "training.pretext",
    "BenchbenchError": "errors",
    "ClassHierarchy": "data.hierarchy",
    "ClassSplit": "data.splits",
    "ComponentRef": "components.reference",
    "DataMissing": "errors",
    "Dataset": "data.dataset",
    "DatasetSpec": "data.meta_dataset.spec",
    "Division": "evaluation.division",
    "Encode": "encoding.backbone",
    "EpisodeShape": "episodes.batch",
    "Episodes": "episodes.batch",
    "Event": "execution.job",
    "Executor": "execution.executor",
    "Interrupts": "execution.interrupts",
    "IMAGE_SUFFIXES": "data.found",
    "HIDDEN": "encoding.sample",
    "Job": "execution.job",
    "JobQueue": "execution.claims",
    "Labelled": "evaluation.division",
    "MetaLearner": "training.learner",
    "Modality": "data.modality",
    "NormMode": "encoding.task_norm",
    "PADDING": "encoding.sample",
    "PART_NAMES": "data.user_split",
    "Pool": "data.pool",
    "Pretext": "training.pretext",
    "Progress": "training.on_encoder",
    "Protocol": "evaluation.protocol",
    "RecordFile": "data.meta_dataset.tfrecord",
    "Records": "results.collection",
    "Rng": "rng",
    "Sample": "data.table",
    "SampleSpec": "encoding.sample",
    "SampleTable": "data.table",
    "Scores": "evaluation.protocol",
    "StorageError": "errors",
    "Target": "evaluation.target",
    "TestBatch": "evaluation.target",
    "Trained": "evaluation.trained",
    "TrainingFailed": "errors",
    "UserSplit": "data.user_split",
    "Vocabulary": "encoding.sample",
    "VariableShape": "episodes.variable",
    "characters": "tokenising",
    "class_means": "encoding.tasks",
    "component_ref": "components.reference",
    "convert_norm": "encoding.task_norm",
    "data_root": "data.prepare",
    "decode_example": "data.meta_dataset.example",
    "decode_picture": "data.meta_dataset.pictures",
    "dump_episodes": "evaluation.dumped",
    "dumped_episodes": "evaluation.dumped",
    "encode": "encoding.tasks",
    "evaluate": "api",
    "embed": "api",
    "export_records": "data.meta_dataset.writer",
    "fail_job": "execution.job",
    "found_images": "data.found",
    "hookimpl": "execution.hooks",
    "image_files": "data.found",
    "load_encoder": "export.encoder",
    "leaderboard": "leaderboard.frames",
    "load_records": "results.collection",
    "located": "userfiles",
    "pixels": "data.images",
    "read_picture": "data.images",
    "read_spec": "data.meta_dataset.spec",
    "read_table": "userfiles",
    "read_text": "userfiles",
    "run": "api",
    "run_job": "execution.job",
    "seeded_globals": "rng",
    "similarity": "encoding.tasks",
    "suggest": "errors",
    "task_batch_norm": "encoding.task_norm",
    "tasks_folder": "packaged",
    "train": "api",
    "words": "tokenising",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchbench' has no attribute {name!r}")
    if name == "leaderboard":
        # The folder of this name can be called: a function would vanish when anything imports a module from there.
        return import_module("benchbench.leaderboard")
    return getattr(import_module(f"benchbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
