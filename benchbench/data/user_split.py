"""The class split of people's own data: a file or a folder of files with class names, or drawn at random."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchbench.data.prepare import data_root
from benchbench.data.splits import PARTS, ClassSplit
from benchbench.data.table import SampleTable
from benchbench.errors import BenchbenchError, DataMissing, suggest
from benchbench.rng import Rng
from benchbench.userfiles import located, normal, read_table, read_text

#: What people call a part.
PART_NAMES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
#: Columns of a list of images that hold its class: Ravi & Larochelle's and easyfsl's.
LABEL = ("label", "class_name")
#: And, in a table of all parts, the part.
PART = ("split", "part")
SHARES = (64, 16, 20)
_AUTO = re.compile(r"auto(?::(\d{1,9}))?(?::(\d+)/(\d+)/(\d+))?")


class UserSplit:
    """How a dataset's setting ``split`` divides its classes. `where` names the dataset in messages.

    None: every class is for testing.
    ``.json`` file: ``{"train": [...], "valid": [...], "test": [...]}`` of class names.
    ``.csv`` file: rows with a ``label`` (or ``class_name``) and its ``split`` (or ``part``).
    A folder: a list for each part, ``train``, ``val`` and ``test`` with ``.json`` (a list, as torchmeta has it, or
    easyfsl's ``class_names``), ``.csv`` (a list of images with their ``label``, as Ravi & Larochelle's, or
    ``class_name``) or ``.txt`` (a name a line).
    ``auto:SEED:TRAIN/VALID/TEST``: classes at random in these shares of 100; ``auto`` is ``auto:0:64/16/20``.

    Paths are absolute or below ``BENCHBENCH_DATA``.
    """

    def __init__(self, split: str | None, where: str):
        self.path, self.where = split, where
        self.drawn = _drawn(split, where) if split is not None and split.partition(":")[0] == "auto" else None

    def sources(self, root: Path | None) -> list[Path]:
        """The files, if there are any. Raises DataMissing if they are named and not there."""
        if self.path is None or self.drawn:
            return []
        path = located(self.path, root)
        found = sorted(_files(path)) if path.is_dir() else [path] if path.is_file() else []
        if not found:
            raise DataMissing(
                f"{self.where}: no split file {path}: expected JSON with lists of class names, or a folder with a list "
                "a part"
            )
        return found

    def split(self, table: SampleTable) -> ClassSplit:
        """The parts of a table's classes. Raises BenchbenchError that names the file and what is wrong with it."""
        names = table.class_names
        if self.drawn:
            return _shared_out(names, *self.drawn, self.where)
        files = self.sources(data_root())
        if not files:
            return ClassSplit(test=tuple(range(len(names))))
        if self.path is not None and located(self.path, data_root()).is_dir():
            parts = {PART_NAMES[file.stem]: _listed(file) for file in files}
            if len(parts) < len(files):
                raise BenchbenchError(f"{self.where}: split folder {files[0].parent} has two lists of one part")
            where = f"split folder {files[0].parent}"
        else:
            parts, where = _whole(files[0], self.where), f"split file {files[0]}"
        return ClassSplit.by_name(names, {part: _matched(chosen, names) for part, chosen in parts.items()}, where)


def _drawn(split: str, where: str) -> tuple[int, tuple[int, ...]]:
    """Seed and shares of ``auto:SEED:TRAIN/VALID/TEST``."""
    match = _AUTO.fullmatch(split)
    shares = tuple(map(int, match.groups()[1:])) if match and match[2] else SHARES
    if match is None or sum(shares) != 100:
        raise BenchbenchError(
            f"{where}: split {split!r}: expected auto, auto:SEED or auto:SEED:TRAIN/VALID/TEST with shares that sum to "
            "100, such as auto:0:64/16/20"
        )
    return int(match[1] or 0), shares


def _shared_out(names: Sequence[str], seed: int, shares: Sequence[int], where: str) -> ClassSplit:
    """Classes in random order, the first for training. Raises BenchbenchError for a part that gets none."""
    order = [int(c) for c in Rng("split", seed).numpy.permutation(len(names))]
    bounds = [round(len(names) * sum(shares[:i]) / 100) for i in range(4)]
    parts = [tuple(sorted(order[a:b])) for a, b in pairwise(bounds)]
    if empty := [part for part, share, got in zip(PARTS, shares, parts, strict=True) if share and not got]:
        raise BenchbenchError(f"{where}: split auto leaves no class for {empty[0]}: {len(names)} classes are too few")
    train, valid, test = parts
    return ClassSplit(train, valid, test)


def _files(folder: Path) -> list[Path]:
    lists = (f for f in folder.iterdir() if f.stem in PART_NAMES and f.suffix in (".json", ".csv", ".txt"))
    return [f for f in lists if f.is_file()]


def _whole(path: Path, where: str) -> dict[str, list[Any]]:
    """The content of a file that holds all parts."""
    if path.suffix == ".csv":
        return _rows(path, where)
    content = _json(path)
    known = isinstance(content, dict) and not set(content) - set(PARTS)
    if not known or not all(map(_is_list, content.values())):
        raise BenchbenchError(
            f"{where}: split file {path}: expected an object with lists of class names for {', '.join(PARTS)} and "
            "nothing else"
        )
    return content


def _rows(path: Path, where: str) -> dict[str, list[Any]]:
    """The classes of each part in a table of classes or of images, whose parts are named as people call them."""
    parts: dict[str, dict[str, None]] = {}
    for row in read_table(path, [LABEL, PART]):
        part = row[PART[0]].strip().lower()
        if part not in PART_NAMES:
            raise BenchbenchError(f"{where}: split file {path}: unknown part {part!r}{suggest(part, PART_NAMES)}")
        parts.setdefault(PART_NAMES[part], {})[row[LABEL[0]]] = None
    return {part: list(names) for part, names in parts.items()}


def _listed(path: Path) -> list[Any]:
    """The class names in a file that holds one part."""
    if path.suffix == ".txt":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if path.suffix == ".csv":
        return list(dict.fromkeys(row[LABEL[0]] for row in read_table(path, [LABEL])))
    content = _json(path)
    if isinstance(content, dict):
        content = content.get("class_names")
    if not _is_list(content):
        raise BenchbenchError(f"{path}: expected a list of class names, or an object with the list class_names")
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BenchbenchError(f"split file {path}: cannot be read: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"it has {twice[0]!r} twice")
    return dict(pairs)


def _is_list(value: object) -> bool:
    """Whether a value is a list of class names, or of pairs of group and class, as torchmeta has them."""
    return isinstance(value, list) and all(
        isinstance(v, str) or (isinstance(v, list) and v and all(isinstance(w, str) for w in v)) for v in value
    )


def _matched(chosen: Iterable[str | list[str]], names: Sequence[str]) -> list[str]:
    """The table's names of the chosen classes: ``group/class``, else the class alone; what is unknown stays as it
    is."""
    known = {normal(name) for name in names}
    found = []
    for name in chosen:
        whole = name if isinstance(name, str) else "/".join(name)
        alone = name if isinstance(name, str) else name[-1]
        found.append(alone if normal(whole) not in known and normal(alone) in known else whole)
    return found
