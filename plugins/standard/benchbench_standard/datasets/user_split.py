"""The class split of a user's own data: a JSON file of class names."""

import json
import os
from pathlib import Path

from benchbench import BenchbenchError, ClassSplit, DataMissing, SampleTable

PARTS = ("train", "valid", "test")


class UserSplit:
    """A file ``{"train": [...], "valid": [...], "test": [...]}`` of class names, absolute or below
    ``BENCHBENCH_DATA``; without one, every class is for testing. `where` names the dataset in messages."""

    def __init__(self, path: str | None, where: str):
        self.path, self.where = path, where

    def sources(self, root: Path | None) -> list[Path]:
        """The file, where there is one. Raises DataMissing where it is named and not there."""
        if self.path is None:
            return []
        path = (root or Path()) / self.path
        if not path.is_file():
            raise DataMissing(f"{self.where}: no split file {path}: expected JSON with lists of class names")
        return [path]

    def split(self, table: SampleTable) -> ClassSplit:
        """As the file says."""
        root = os.environ.get("BENCHBENCH_DATA")
        files = self.sources(Path(root) if root else None)
        if not files:
            return ClassSplit(test=tuple(range(len(table.class_names))))
        path = files[0]
        try:
            parts = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BenchbenchError(f"{self.where}: split file {path} cannot be read: {error}") from None
        if not isinstance(parts, dict) or set(parts) - set(PARTS) or not all(map(_is_list, parts.values())):
            raise BenchbenchError(
                f"{self.where}: split file {path}: expected an object with lists of class names for "
                f"{', '.join(PARTS)} and nothing else"
            )
        return ClassSplit.by_name(table.class_names, parts, f"split file {path}")


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)
