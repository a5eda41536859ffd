"""From a dataset component to a prepared table, once, shared by every process that asks for it.

A table is built in a folder beside its final place and then renamed, so a killed preparation leaves nothing that looks
finished. It is rebuilt when a source file's size or time changes, or the reader of images does. Datasets that divide
the same samples in other ways share one.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from benchbench.components.reference import ComponentRef, key_content
from benchbench.data import digests as sources
from benchbench.data import images, table
from benchbench.data.dataset import Dataset
from benchbench.data.decode import Report, decoded
from benchbench.data.modality import Modality, modality_named
from benchbench.data.splits import ClassSplit
from benchbench.data.storage import STORAGES
from benchbench.data.table import SampleTable
from benchbench.data.table_writing import write
from benchbench.encoding.sample import HIDDEN, SampleSpec, Vocabulary
from benchbench.errors import BenchbenchError
from benchbench.keys import content_key


@dataclass(frozen=True)
class Prepared:
    """A dataset that is ready to use."""

    name: str
    dataset: Dataset
    table: SampleTable
    split: ClassSplit

    @property
    def fingerprint(self) -> str:
        """What identifies the data in keys: source bytes, preparation revision and settings, split."""
        return self.table.fingerprint

    @property
    def modality(self) -> Modality:
        """How its samples are fitted and shown."""
        return modality_named(self.dataset.modality)

    @cached_property
    def raw(self) -> SampleSpec:
        """Its samples as the table holds them: with every token, whichever part it is in."""
        dtype = STORAGES[self.table.x.dtype.name]
        return SampleSpec(self.dataset.modality, self.table.shape, dtype, self._vocabulary())

    @cached_property
    def sample(self) -> SampleSpec:
        """Its samples as an encoder that is trained on it takes them: with the tokens of its training classes alone."""
        known = self.raw.vocabulary and self.raw.vocabulary.known()
        return replace(self.raw, vocabulary=known)

    def _vocabulary(self) -> Vocabulary | None:
        texts = self.table.tokens
        if not texts:
            return None
        held = self.table.x[np.isin(self.table.labels, self.split.train)]
        # Each token once a sample.
        ordered = np.sort(held, 1)
        first = np.concatenate([np.ones((len(held), 1), bool), ordered[:, 1:] != ordered[:, :-1]], 1)
        counts = np.bincount(ordered[first], minlength=len(texts)).astype(float)
        counts[: HIDDEN + 1] = 0
        return Vocabulary(texts, (counts / max(1, len(held))).tolist())


@dataclass(frozen=True)
class _Place:
    """Where a dataset's table is kept, whose it is, and the state of the files that it is made from."""

    ref: ComponentRef
    name: str
    dataset: Dataset
    #: Whose samples the table holds: the dataset's own, or those of one that shares it.
    table_of: ComponentRef
    decoder: Dataset
    folder: Path
    files: list[Path]
    signature: str

    @classmethod
    def of(cls, ref: ComponentRef) -> "_Place":
        name, dataset, root = ref.bare, ref.build(), data_root()
        table_of = dataset.table_of(ref)
        decoder = dataset if table_of == ref else table_of.build()
        files = decoder.sources(root)
        signature = f"{images.REVISION}-{sources.signature(files, name)}"
        # Only that they are there: the split is made afresh each time.
        sources.signature(dataset.split_sources(root), name)
        place = content_key({"dataset": table_of.model_dump(mode="json"), "home": sources.home(files)})
        folder = cache_root() / "tables" / f"{table_of.bare}-{place[:16]}"
        return cls(ref, name, dataset, table_of, decoder, folder, files, signature)

    @property
    def is_current(self) -> bool:
        try:
            about = json.loads((self.folder / "table.json").read_text("utf-8"))
            return about["signature"] == self.signature and "sources" in about
        except (OSError, ValueError, KeyError):
            return False

    def open(self) -> Prepared:
        """The fingerprint is computed afresh: the split may have changed even though no file did."""
        held = table.read(self.folder)
        split = self.dataset.split(held)
        content = {"dataset": key_content(self.ref), "sources": held.source_hash, "split": split.as_json()}
        return Prepared(self.name, self.dataset, replace(held, fingerprint=content_key(content)), split)


def data_root() -> Path | None:
    """``BENCHBENCH_DATA``, the folder that holds datasets as their authors publish them; None if unset."""
    root = os.environ.get("BENCHBENCH_DATA")
    return Path(root).expanduser() if root else None


def cache_root() -> Path:
    """Where prepared tables are kept: ``BENCHBENCH_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("BENCHBENCH_CACHE") or user_cache_dir("benchbench")).expanduser()


def prepare(ref: ComponentRef, *, jobs: int = 1, report: Report | None = None) -> Prepared:
    """The prepared dataset that `ref` names; decodes it in `jobs` processes if that was not done before.

    Raises DataMissing if its files are not there, BenchbenchError if one is unreadable.
    """
    place = _Place.of(ref)
    if not place.is_current:
        with _locked(place.folder):
            if not place.is_current:
                _build(place, jobs, report)
    return place.open()


def prepared(ref: ComponentRef) -> Prepared | None:
    """The prepared dataset, or None if it is not prepared yet (or its files are missing)."""
    try:
        place = _Place.of(ref)
    except BenchbenchError:
        return None
    return place.open() if place.is_current else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time build a table. Raises BenchbenchError if the cache cannot be written."""
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise BenchbenchError(
            f"cannot write prepared data to {folder.parent} ({error.strerror}): set BENCHBENCH_CACHE to a folder that "
            "can be written"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _build(place: _Place, jobs: int, report: Report | None) -> None:
    """Write the table. Its lock is held, so any leftovers are a killed preparation's and can go."""
    for left in place.folder.parent.glob(f".{place.folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.folder.name}-", dir=place.folder.parent))
    try:
        samples = decoded(place.table_of, place.decoder, data_root(), jobs=jobs, report=report)
        about = write(work, samples, place.name, modality_named(place.dataset.modality), place.dataset.length)
        found = sources.digests(place.files, data_root())
        (work / "sources.json").write_text(json.dumps(found), "utf-8")
        about |= {"sources": sources.content_hash(found), "signature": place.signature}
        (work / "table.json").write_text(json.dumps(about), "utf-8")
        # Keep only a usable table: this raises if the split does not fit.
        place.dataset.split(table.read(work))
        if _Place.of(place.ref).signature != place.signature:
            raise BenchbenchError(f"dataset {place.name}: its files changed while they were read: prepare it again")
        if place.folder.exists():
            shutil.rmtree(place.folder)
        work.rename(place.folder)
    except OSError as error:
        raise BenchbenchError(f"dataset {place.name}: preparation failed: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
