"""What datasets of labelled texts have in common: rows of files, their tokens, the published class folds."""

import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from benchbench import (
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    Sample,
    SampleTable,
    characters,
    tasks_folder,
    words,
)

#: To how many tokens texts are cut or padded unless `length` says it.
LENGTHS = {"words": 24, "characters": 96}


class Row(NamedTuple):
    """A text, the name of its class, and where it stands below the data folder."""

    text: str
    label: str
    file: str


class LabelledTexts(Dataset):
    """Short texts with a class each, as `tokens`: ``words`` (without case, marks of punctuation apart) or
    ``characters``, cut or padded to `length`, 24 words or 96 characters unless given.

    `fold` is one of ProtAugment's five divisions of the classes (Dopierre, Gravier & Logerais 2021), read from
    ``tasks/splits/NAME-protaugment.json``. All rows of the authors' parts are used: few-shot episodes divide classes.
    """

    modality = "text"
    split_settings = frozenset({"fold"})
    #: The name of the component, in messages and split files.
    name: ClassVar[str]
    #: The files below the data folder that are read, in order.
    files: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        fold: Annotated[int, Field(ge=1, le=5)] = 1,
        length: Annotated[int, Field(ge=1, le=4096)] | None = None,
        tokens: Literal["words", "characters"] = "words",
    ):
        self.fold, self.length, self.tokens = fold, length or LENGTHS[tokens], tokens

    @abstractmethod
    def rows(self, root: Path) -> Iterator[Row]:
        """Every text, in the order of the files. Raises BenchbenchError for files that are not as published."""

    def sources(self, root: Path | None) -> list[Path]:
        """The authors' files."""
        found = [root / file for file in self.files if (root / file).is_file()] if root else []
        if len(found) < len(self.files):
            raise DataMissing(f"dataset {self.name}: expected below BENCHBENCH_DATA {self.expects}")
        return found

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """The tokens of every text."""
        self.sources(root)
        assert root is not None
        cut = words if self.tokens == "words" else characters
        for row in self.rows(root):
            yield Sample(cut(row.text), row.label, row.file)

    def split(self, table: SampleTable) -> ClassSplit:
        """The chosen fold."""
        file = f"{self.name}-protaugment.json"
        content = json.loads((tasks_folder() / "splits" / file).read_text("utf-8"))
        parts = content["folds"][str(self.fold)]
        # Those files name a class without its place in the class tree.
        full = {name.rsplit("/", 1)[-1]: name for name in table.class_names}
        named = {part: [c if c in table.class_names else full.get(c, c) for c in parts[part]] for part in parts}
        return ClassSplit.by_name(table.class_names, named, f"split file {file}")

    def fault(self, file: Path, expected: str) -> BenchbenchError:
        """What is wrong with a file."""
        return BenchbenchError(f"dataset {self.name}: {file}: expected {expected}")
