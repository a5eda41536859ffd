"""A dataset, decoded once: memory-mapped uint8 samples with labels and class names."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

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
    pixel_hash: of the decoded samples, which may differ between builds of a decoder; source_hash: of the source files;
    folder: where it lies on disk.
    """

    x: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str
    pixel_hash: str
    source_hash: str = ""
    folder: Path | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, (C, H, W)."""
        return tuple(self.x.shape[1:])

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The file each sample came from, relative to the data folder; empty names where it came from none."""
        return tuple(_kept(self.folder, "files.json", [""] * len(self)))

    @cached_property
    def source_digests(self) -> dict[str, str]:
        """The source files' names and SHA-256, as they were when the table was made."""
        return dict(_kept(self.folder, "sources.json", {}))


def _kept(folder: Path | None, name: str, absent: Any) -> Any:
    return absent if folder is None else json.loads((folder / name).read_text("utf-8"))


def write(folder: Path, samples: Iterable[Sample], where: str) -> dict[str, object]:
    """Write samples into `folder`, growing on disk and not in memory; returns what `read` needs to know of them."""
    labels: list[str] = []
    files: list[str] = []
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
            files.append(sample.file)
    if shape is None:
        raise BenchbenchError(f"dataset {where}: no samples were found")
    names = sorted(set(labels))
    ids = {name: i for i, name in enumerate(names)}
    np.save(folder / "labels.npy", np.array([ids[name] for name in labels], dtype=np.int64))
    (folder / "files.json").write_text(json.dumps(files), "utf-8")
    return {"shape": list(shape), "class_names": names, "pixel_hash": digest.hexdigest()}


def read(folder: Path) -> SampleTable:
    """The table in `folder`, its samples memory-mapped."""
    about = json.loads((folder / "table.json").read_text("utf-8"))
    labels = np.load(folder / "labels.npy")
    x = np.memmap(folder / "x.bin", np.uint8, "r", shape=(len(labels), *about["shape"]))
    names = tuple(about["class_names"])
    return SampleTable(x, labels, names, "", about["pixel_hash"], about["sources"], folder)
