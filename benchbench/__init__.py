"""benchbench: a benchmark of meta-learning x self-supervised learning.

Everything a plugin author or a script needs stands here; modules below are internal. Names are imported on first use,
so ``import benchbench`` alone imports no torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Amount": "sampling.division",
    "Archive": "data.archives",
    "Backbone": "components",
    "Batch": "components",
    "BenchbenchError": "errors",
    "ClassHierarchy": "data.hierarchy",
    "ClassSplit": "data.splits",
    "ComponentRef": "settings",
    "DataMissing": "errors",
    "Dataset": "components",
    "DatasetSpec": "data.official.spec",
    "Division": "sampling.division",
    "Encode": "components",
    "EpisodeShape": "episodes",
    "Episodes": "episodes",
    "Executor": "components",
    "Labelled": "sampling.division",
    "MetaLearner": "components",
    "NormMode": "nn",
    "Pool": "data.pool",
    "Pretext": "components",
    "Progress": "components",
    "Protocol": "components",
    "RecordFile": "data.official.tfrecord",
    "Rng": "rng",
    "Sample": "data.table",
    "SampleSpec": "components",
    "SampleTable": "data.table",
    "Scores": "components",
    "Target": "evaluation",
    "TestBatch": "evaluation",
    "Trained": "evaluation",
    "TrainingFailed": "errors",
    "VariableShape": "sampling.meta_dataset",
    "class_means": "functional",
    "component_ref": "settings",
    "convert_norm": "nn",
    "data_root": "data.prepare",
    "decode_example": "data.official.example",
    "decode_picture": "data.official.pictures",
    "dump_episodes": "data.official.dumped",
    "dumped_episodes": "data.official.dumped",
    "encode": "functional",
    "evaluate": "api",
    "embed": "api",
    "export_records": "data.official.export",
    "hookimpl": "hooks",
    "load_encoder": "encoders",
    "load_records": "store",
    "read_spec": "data.official.spec",
    "run": "api",
    "seeded_globals": "rng",
    "similarity": "functional",
    "suggest": "errors",
    "task_batch_norm": "nn",
    "tasks_folder": "tasks",
    "train": "api",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchbench' has no attribute {name!r}")
    return getattr(import_module(f"benchbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
