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
from benchbench.userfiles import normal


@dataclass(frozen=True)
class Sample:
    """One decoded sample: x uint8 (C, H, W), the name of its class (``/`` separates levels of the class tree), and
    the file it came from, relative to the data folder, if any.

    Its annotations, if any: boxes float32 (n, 5), each (object class, left, top, right, bottom) in pixels of x; mask
    uint8 (H, W), each pixel 0 for the background, 1 + object class, or 255 if it does not count. Object classes are
    indices into the dataset's `object_names`.
    """

    x: np.ndarray
    label: str
    file: str = ""
    boxes: np.ndarray | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class SampleTable:
    """All samples of a prepared dataset.

    x: uint8 (N, C, H, W), memory-mapped; labels: int64 (N,); fingerprint: of source bytes, settings and split;
    pixel_hash: of the decoded samples, which may differ between builds of a decoder; source_hash: of the source files;
    folder: where it is on disk. boxes: float32 (n, 5) of each sample, and masks: uint8 (N, H, W), memory-mapped, as
    `Sample` has them; None if the dataset has none.
    """

    x: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str
    pixel_hash: str
    source_hash: str = ""
    folder: Path | None = field(default=None, compare=False)
    boxes: list[np.ndarray] | None = field(default=None, compare=False)
    masks: np.ndarray | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, (C, H, W)."""
        return tuple(self.x.shape[1:])

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The file each sample came from, relative to the data folder; an empty name if it came from none."""
        return tuple(_kept(self.folder, "files.json", [""] * len(self)))

    @cached_property
    def source_digests(self) -> dict[str, str]:
        """The source files' names and SHA-256, as they were when the table was made."""
        return dict(_kept(self.folder, "sources.json", {}))


def _kept(folder: Path | None, name: str, absent: Any) -> Any:
    return absent if folder is None else json.loads((folder / name).read_text("utf-8"))


def write(folder: Path, samples: Iterable[Sample], where: str) -> dict[str, object]:
    """Write samples into `folder` one by one, so as not to fill memory; returns what `read` needs to know of them."""
    labels: list[str] = []
    files: list[str] = []
    digest = hashlib.sha256()
    shape: tuple[int, ...] | None = None
    boxes: list[np.ndarray | None] = []
    with (folder / "x.bin").open("wb") as out, (folder / "masks.bin").open("wb") as masks:
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
            boxes.append(sample.boxes)
            if sample.mask is not None:
                masks.write(_mask(sample, where))
    if shape is None:
        raise BenchbenchError(f"dataset {where}: no samples were found")
    names = sorted(set(labels))
    _refuse_twins(names, where)
    ids = {name: i for i, name in enumerate(names)}
    np.save(folder / "labels.npy", np.array([ids[name] for name in labels], dtype=np.int64))
    (folder / "files.json").write_text(json.dumps(files), "utf-8")
    _write_boxes(folder, boxes, where)
    masked = (folder / "masks.bin").stat().st_size
    if not masked:
        (folder / "masks.bin").unlink()
    elif masked != len(labels) * shape[1] * shape[2]:
        raise BenchbenchError(f"dataset {where}: some samples have a mask and others none")
    return {"shape": list(shape), "class_names": names, "pixel_hash": digest.hexdigest()}


def _refuse_twins(names: list[str], where: str) -> None:
    """Raise BenchbenchError for two classes whose names are one in Unicode's normal form."""
    known: dict[str, str] = {}
    for name in names:
        if (twin := known.setdefault(normal(name), name)) != name:
            raise BenchbenchError(
                f"dataset {where}: two classes have the name {name!r}, one composed and one decomposed "
                f"({twin!a} and {name!a}): merge or rename them"
            )


def _mask(sample: Sample, where: str) -> bytes:
    assert sample.mask is not None
    if sample.mask.dtype != np.uint8 or sample.mask.shape != sample.x.shape[1:]:
        raise BenchbenchError(
            f"dataset {where}: {sample.file or sample.label}: expected a mask uint8 {sample.x.shape[1:]}, "
            f"got {sample.mask.dtype} {sample.mask.shape}"
        )
    return np.ascontiguousarray(sample.mask).tobytes()


def _write_boxes(folder: Path, boxes: list[np.ndarray | None], where: str) -> None:
    found = [b for b in boxes if b is not None]
    if not found:
        return
    if len(found) < len(boxes):
        raise BenchbenchError(f"dataset {where}: some samples have boxes and others none: give those an empty (0, 5)")
    np.save(folder / "boxes.npy", np.concatenate(found).astype(np.float32).reshape(-1, 5))
    np.save(folder / "box_counts.npy", np.array([len(b) for b in found], dtype=np.int64))


def read(folder: Path) -> SampleTable:
    """The table in `folder`, its samples memory-mapped."""
    about = json.loads((folder / "table.json").read_text("utf-8"))
    labels = np.load(folder / "labels.npy")
    x = np.memmap(folder / "x.bin", np.uint8, "r", shape=(len(labels), *about["shape"]))
    names = tuple(about["class_names"])
    boxes = masks = None
    if (folder / "boxes.npy").exists():
        counts = np.load(folder / "box_counts.npy")
        boxes = np.split(np.load(folder / "boxes.npy"), np.cumsum(counts)[:-1])
    if (folder / "masks.bin").exists():
        masks = np.memmap(folder / "masks.bin", np.uint8, "r", shape=(len(labels), *about["shape"][1:]))
    return SampleTable(x, labels, names, "", about["pixel_hash"], about["sources"], folder, boxes, masks)
