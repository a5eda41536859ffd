"""A prepared table as Meta-Dataset's record files, for other tools that read them."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchbench.data.meta_dataset.example import Example, encode_example
from benchbench.data.meta_dataset.pictures import encode_png
from benchbench.data.meta_dataset.spec import FILE, PATTERN, DatasetSpec
from benchbench.data.meta_dataset.tfrecord import write_tfrecord
from benchbench.data.prepare import Prepared
from benchbench.data.splits import PARTS, ClassSplit, class_index
from benchbench.errors import BenchbenchError


def export_records(data: Prepared, folder: Path | str, name: str | None = None) -> DatasetSpec:
    """Write every class of a dataset's split as ``{id}.tfrecords``, and dataset_spec.json, into `folder`, which is
    created complete or not at all. `name` is the source's name there.

    Class ids run through the parts in the split's order, by superclass for a bilevel source. Images are PNG. Raises
    BenchbenchError if the folder exists or the split has no official form.
    """
    folder = Path(folder)
    if folder.exists():
        raise BenchbenchError(f"{folder} exists: records are written to a new folder")
    table, split = data.table, data.split
    if split.sources or split.variant_of is not None:
        raise BenchbenchError(f"dataset {data.name}: joined sources and variants have no form in Meta-Dataset's files")
    if table.x.dtype != np.uint8 or len(table.shape) != 3:
        raise BenchbenchError(f"dataset {data.name}: Meta-Dataset's files hold images, and its samples are none")
    order = {part: _order(split, part) for part in PARTS}
    classes = [c for part in PARTS for c in order[part]]
    rows = class_index(table.labels, classes)
    names = table.class_names
    spec = DatasetSpec(
        name=name or data.name,
        class_names=tuple(names[c] for c in classes),
        images=tuple(map(len, rows)),
        parts={part: len(order[part]) for part in PARTS},
        superclasses=_superclasses(split, names),
        graph=_graph(split, names),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for number, of_class in enumerate(rows):
            examples = (encode_example(Example(encode_png(np.asarray(table.x[r])), number)) for r in of_class)
            write_tfrecord(work / PATTERN.format(number), examples)
        (work / FILE).write_text(json.dumps(spec.as_json(), indent=1) + "\n", "utf-8")
        work.chmod(0o755)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return spec


def _order(split: ClassSplit, part: str) -> Sequence[int]:
    if split.hierarchy is not None and split.hierarchy.kind == "bilevel":
        return [c for group in split.hierarchy.part(part) for c in group]
    return split.part(part)


def _superclasses(split: ClassSplit, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """A superclass is named by the start of its classes' names, up to the last ``/``."""
    if split.hierarchy is None or split.hierarchy.kind != "bilevel":
        return ()
    groups = [group for part in PARTS for group in split.hierarchy.part(part)]
    return tuple((names[group[0]].rpartition("/")[0] or names[group[0]], len(group)) for group in groups)


def _graph(split: ClassSplit, names: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]] | None:
    """The class graph as far as episodes depend on it: nodes in order, each directly above all its leaves."""
    if split.hierarchy is None or split.hierarchy.kind != "dag":
        return None
    return {
        part: {f"node{i:06d}": tuple(names[c] for c in group) for i, group in enumerate(split.hierarchy.part(part))}
        for part in PARTS
    }
