"""Writing a table, sample by sample."""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from benchbench.data.modality import Modality
from benchbench.data.storage import MOST_TOKENS
from benchbench.data.table import Sample
from benchbench.encoding.sample import HIDDEN
from benchbench.errors import BenchbenchError
from benchbench.userfiles import normal


def write(
    folder: Path, samples: Iterable[Sample], where: str, modality: Modality, length: int | None = None
) -> dict[str, object]:
    """Write samples into `folder` one by one, so as not to fill memory; returns what `read` needs to know of them.
    Samples of tokens are cut or padded to `length`, else padded to the longest."""
    labels: list[str] = []
    files: list[str] = []
    boxes: list[np.ndarray | None] = []
    with (folder / "x.bin").open("wb") as out, (folder / "masks.bin").open("wb") as masks:
        rows = _Rows(out, where, modality)
        for sample in samples:
            rows.add(sample)
            labels.append(sample.label)
            files.append(sample.file)
            boxes.append(sample.boxes)
            if sample.mask is not None:
                masks.write(_mask(sample, where))
        about = rows.finish(folder, length)
    names = sorted(set(labels))
    _refuse_twins(names, where)
    ids = {name: i for i, name in enumerate(names)}
    np.save(folder / "labels.npy", np.array([ids[name] for name in labels], dtype=np.int64))
    (folder / "files.json").write_text(json.dumps(files), "utf-8")
    _write_boxes(folder, boxes, where)
    masked = (folder / "masks.bin").stat().st_size
    if not masked:
        (folder / "masks.bin").unlink()
    elif masked != len(labels) * math.prod(rows.shape[1:]):
        raise BenchbenchError(f"dataset {where}: some samples have a mask and others none")
    return {**about, "class_names": names}


class _Rows:
    """The samples of a table as they are written: arrays at once, tokens at the end, when the longest is known."""

    def __init__(self, out: BinaryIO, where: str, modality: Modality):
        self.out, self.where, self.modality = out, where, modality
        self.digest = hashlib.sha256()
        self.shape: tuple[int, ...] = ()
        self.ids: dict[str, int] = {}
        self.tokens: list[np.ndarray] = []

    def add(self, sample: Sample) -> None:
        named = f"dataset {self.where}: {sample.file or sample.label}"
        if self.modality.storage == "uint16":
            self.tokens.append(self._numbered(sample.x, named))
            return
        x, storage = sample.x, self.modality.storage
        given = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        expected = self.modality.misshapen(x.shape if isinstance(x, np.ndarray) else ())
        if not isinstance(x, np.ndarray) or x.dtype != storage or expected:
            shown = expected or self.modality.misshapen(())
            raise BenchbenchError(f"{named}: expected {storage} {shown}, got {given}")
        self.shape = self.shape or x.shape
        if x.shape != self.shape:
            raise BenchbenchError(f"{named} is {x.shape}, the others {self.shape}")
        if storage == "float32" and not np.isfinite(x).all():
            raise BenchbenchError(f"{named}: a value is not finite")
        self._write(x)

    def finish(self, folder: Path, length: int | None) -> dict[str, object]:
        """Write what is left; returns what the table is read by."""
        if self.tokens:
            self.shape = (length or max(1, *map(len, self.tokens)),)
            for row in self.tokens:
                cut = row[: self.shape[0]]
                self._write(np.pad(cut, (0, self.shape[0] - len(cut))))
            texts = json.dumps(["", "", *self.ids])
            self.digest.update(texts.encode())
            (folder / "tokens.json").write_text(texts, "utf-8")
        if not self.shape:
            raise BenchbenchError(f"dataset {self.where}: no samples were found")
        stored = {} if self.modality.storage == "uint8" else {"dtype": self.modality.storage}
        return {"shape": list(self.shape), **stored, "pixel_hash": self.digest.hexdigest()}

    def _write(self, x: np.ndarray) -> None:
        raw = np.ascontiguousarray(x).tobytes()
        self.out.write(raw)
        self.digest.update(raw)

    def _numbered(self, tokens: Any, named: str) -> np.ndarray:
        if isinstance(tokens, str | np.ndarray) or not all(isinstance(t, str) and t for t in tokens):
            raise BenchbenchError(
                f"{named}: expected a list of tokens, each a text that is not empty, got {tokens!r:.60}"
            )
        found = [self.ids.setdefault(token, HIDDEN + 1 + len(self.ids)) for token in tokens]
        if HIDDEN + 1 + len(self.ids) > MOST_TOKENS:
            raise BenchbenchError(
                f"dataset {self.where}: more than {MOST_TOKENS - HIDDEN - 1:,} different tokens: expected fewer, such "
                "as characters"
            )
        return np.array(found, np.uint16)


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
    size = np.shape(sample.x)[1:]
    if sample.mask.dtype != np.uint8 or sample.mask.shape != size:
        raise BenchbenchError(
            f"dataset {where}: {sample.file or sample.label}: expected a mask uint8 {size}, "
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
