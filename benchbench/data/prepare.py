"""From a dataset component to a prepared table, once, shared by every process that asks for it.

A table is built in a folder beside its final place and renamed into it, so a killed preparation leaves nothing that
looks finished. It is built again when a source file's size or time changes.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from benchbench.components import Dataset
from benchbench.data import table as tables
from benchbench.data.splits import ClassSplit
from benchbench.data.table import SampleTable
from benchbench.errors import BenchbenchError
from benchbench.keys import content_key
from benchbench.registry import key_content
from benchbench.settings import ComponentRef


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


def data_root() -> Path | None:
    """``BENCHBENCH_DATA``, the folder that holds datasets as their authors publish them; None where unset."""
    root = os.environ.get("BENCHBENCH_DATA")
    return Path(root) if root else None


def cache_root() -> Path:
    """Where prepared tables are kept: ``BENCHBENCH_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("BENCHBENCH_CACHE") or user_cache_dir("benchbench"))


def prepare(ref: ComponentRef) -> Prepared:
    """The prepared dataset that `ref` names; decodes it where that was not done before.

    Raises DataMissing where its files are not there, BenchbenchError for an unreadable one.
    """
    dataset, name, folder = _locate(ref)
    sources = dataset.sources(data_root())
    signature = _signature(sources)
    if not _is_current(folder, signature):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchbenchError(
                f"cannot write prepared data to {folder.parent} ({error.strerror}): set BENCHBENCH_CACHE to a folder "
                "that can be written"
            ) from None
        with FileLock(folder.with_suffix(".lock")):
            if not _is_current(folder, signature):
                _build(ref, dataset, name, folder, sources, signature)
    return _open(name, dataset, folder)


def prepared(ref: ComponentRef) -> Prepared | None:
    """The prepared dataset, or None where it is not prepared yet (or its files are missing)."""
    dataset, name, folder = _locate(ref)
    try:
        current = _is_current(folder, _signature(dataset.sources(data_root())))
    except BenchbenchError:
        return None
    return _open(name, dataset, folder) if current else None


def _locate(ref: ComponentRef) -> tuple[Dataset, str, Path]:
    name = ref.name.split(":")[-1]
    root = data_root()
    place = content_key({**key_content(ref), "root": str(root.resolve()) if root else None})
    return ref.build(), name, cache_root() / "tables" / f"{name}-{place[:16]}"


def _open(name: str, dataset: Dataset, folder: Path) -> Prepared:
    table = tables.read(folder)
    return Prepared(name, dataset, table, dataset.split(table))


def _signature(sources: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sources:
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _is_current(folder: Path, signature: str) -> bool:
    try:
        return json.loads((folder / "table.json").read_text("utf-8"))["signature"] == signature
    except (OSError, ValueError, KeyError):
        return False


def _source_hash(sources: list[Path]) -> str:
    """Of the bytes and names of the source files, wherever they lie."""
    common = Path(os.path.commonpath(sources)) if len(sources) > 1 else sources[0].parent if sources else Path()
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.relative_to(common).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _build(ref: ComponentRef, dataset: Dataset, name: str, folder: Path, sources: list[Path], signature: str) -> None:
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        about = tables.write(work, dataset.samples(data_root()), name)
        (work / "table.json").write_text(json.dumps(about), "utf-8")
        split = dataset.split(tables.read(work))
        about["fingerprint"] = content_key(
            {"dataset": key_content(ref), "sources": _source_hash(sources), "split": split.as_json()}
        )
        about["signature"] = signature
        (work / "table.json").write_text(json.dumps(about), "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
