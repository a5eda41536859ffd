"""A dataset, decoded once: memory-mapped samples with labels and class names."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One decoded sample: x, the name of its class (``/`` separates levels of the class tree), and the file it came
    from, relative to the data folder, if any.

    x is an image uint8 (C, H, W), values float32 (F,), or the tokens of a text or sequence, each a str: the core
    numbers them.

    An image's annotations, if any: boxes float32 (n, 5), each (object class, left, top, right, bottom) in pixels of x;
    mask uint8 (H, W), each pixel 0 for the background, 1 + object class, or 255 if it does not count. Object classes
    are indices into the dataset's `object_names`.
    """

    x: np.ndarray | Sequence[str]
    label: str
    file: str = ""
    boxes: np.ndarray | None = None
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class SampleTable:
    """All samples of a prepared dataset.

    x: (N, *shape), memory-mapped: bytes, ids (uint16) or values (float32); labels: int64 (N,); fingerprint: of source
    bytes, settings and split; pixel_hash: of the decoded samples, which may differ between builds of a decoder;
    source_hash: of the source files; folder: where it is on disk. boxes: float32 (n, 5) of each sample, and masks:
    uint8 (N, H, W), memory-mapped, as `Sample` has them; None if the dataset has none. tokens: the text of each id, if
    it holds ids; those of padding and of hidden tokens are empty.
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
    tokens: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, (C, H, W) of an image."""
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


def read(folder: Path) -> SampleTable:
    """The table in `folder`, its samples memory-mapped."""
    about = json.loads((folder / "table.json").read_text("utf-8"))
    labels = np.load(folder / "labels.npy")
    x = np.memmap(folder / "x.bin", about.get("dtype", "uint8"), "r", shape=(len(labels), *about["shape"]))
    names = tuple(about["class_names"])
    boxes = masks = None
    if (folder / "boxes.npy").exists():
        counts = np.load(folder / "box_counts.npy")
        boxes = np.split(np.load(folder / "boxes.npy"), np.cumsum(counts)[:-1])
    if (folder / "masks.bin").exists():
        masks = np.memmap(folder / "masks.bin", np.uint8, "r", shape=(len(labels), *about["shape"][1:]))
    tokens = tuple(_kept(folder, "tokens.json", [])) if x.dtype == np.uint16 else ()
    return SampleTable(x, labels, names, "", about["pixel_hash"], about["sources"], folder, boxes, masks, tokens)
