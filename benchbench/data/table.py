"""A dataset, decoded once: memory-mapped uint8 samples with labels and class names."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchbench.errors import BenchbenchError


@dataclass(frozen=True)
class Sample:
    """One decoded sample: x uint8 (C, H, W), the name of its class (``/`` separates levels of the class tree), and
    the file it came from, relative to the data folder, where it has one."""

    x: np.ndarray
    label: str
    file: str = ""


@dataclass(frozen=True)
class SampleTable:
    """All samples of a prepared dataset.

    x: uint8 (N, C, H, W), memory-mapped; labels: int64 (N,); fingerprint: of source bytes, settings and split;
    pixel_hash: of the decoded samples, which may differ between builds of a decoder.
    """

    x: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str
    pixel_hash: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, (C, H, W)."""
        return tuple(self.x.shape[1:])


def write(folder: Path, samples: Iterable[Sample], where: str) -> dict[str, object]:
    """Write samples into `folder`, growing on disk and not in memory; returns what `read` needs to know of them."""
    labels: list[str] = []
    digest = hashlib.sha256()
    shape: tuple[int, ...] | None = None
    with (folder / "x.bin").open("wb") as out:
        for sample in samples:
            if sample.x.dtype != np.uint8 or sample.x.ndim != 3:
                raise BenchbenchError(
                    f"dataset {where}: {sample.file or sample.label}: expected uint8 (C, H, W), "
                    f"got {sample.x.dtype} {sample.x.shape}"
                )
            shape = shape or sample.x.shape
            if sample.x.shape != shape:
                raise BenchbenchError(
                    f"dataset {where}: {sample.file or sample.label} is {sample.x.shape}, the others {shape}"
                )
            raw = np.ascontiguousarray(sample.x).tobytes()
            out.write(raw)
            digest.update(raw)
            labels.append(sample.label)
    if shape is None:
        raise BenchbenchError(f"dataset {where}: no samples were found")
    names = sorted(set(labels))
    ids = {name: i for i, name in enumerate(names)}
    np.save(folder / "labels.npy", np.array([ids[name] for name in labels], dtype=np.int64))
    return {"shape": list(shape), "class_names": names, "pixel_hash": digest.hexdigest()}


def read(folder: Path) -> SampleTable:
    """The table in `folder`, its samples memory-mapped."""
    about = json.loads((folder / "table.json").read_text("utf-8"))
    labels = np.load(folder / "labels.npy")
    x = np.memmap(folder / "x.bin", np.uint8, "r", shape=(len(labels), *about["shape"]))
    return SampleTable(x, labels, tuple(about["class_names"]), about.get("fingerprint", ""), str(about["pixel_hash"]))
