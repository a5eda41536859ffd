from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, Dataset, Sample, SampleTable, component_ref, pixels


class Item(NamedTuple):
    """An item of one part, or the whole part (by its data folder) where it is not divided into items."""

    part: int
    of_part: Any
    root: Path | None


class Union(Dataset):
    """Several datasets, `parts`, as one source of training, as Meta-Dataset trains on eight (Triantafillou et al.
    2020): each part's classes keep their split, and an episode stays within one part, every part equally likely.

    Images are brought to `size` pixels a side and three channels, or one where `grey`. Classes are named PART/CLASS.
    """

    licence = "those of its parts"
    citation = "those of its parts"

    def __init__(
        self,
        *,
        parts: Sequence[component_ref("dataset")],  # type: ignore[valid-type]
        size: Annotated[int, Field(ge=8)] = 84,
        grey: bool = False,
    ):
        if not parts:
            raise BenchbenchError("dataset union: setting 'parts' names no dataset")
        bare = [ref.bare for ref in parts]
        self.names = [name if bare.count(name) == 1 else f"{name}-{i + 1}" for i, name in enumerate(bare)]
        self.parts: list[Dataset] = [ref.build() for ref in parts]
        self.size, self.grey = size, grey

    def sources(self, root: Path | None) -> list[Path]:
        """Those of all parts."""
        return [path for part in self.parts for path in part.sources(root)]

    def split_sources(self, root: Path | None) -> list[Path]:
        """Those of all parts."""
        return [path for part in self.parts for path in part.split_sources(root)]

    def remarks(self, root: Path | None) -> list[str]:
        """Those of all parts."""
        parts = zip(self.names, self.parts, strict=True)
        return [f"{name}: {line}" for name, part in parts for line in part.remarks(root)]

    def items(self, root: Path | None) -> Sequence[Item]:
        """Those of all parts, one part after the other."""
        return [
            Item(i, of_part, root)
            for i, part in enumerate(self.parts)
            for of_part in ([None] if type(part).items is Dataset.items else part.items(root))
        ]

    def decode(self, item: Item) -> Iterable[Sample]:
        """The part's samples, brought to one form."""
        part, name = self.parts[item.part], self.names[item.part]
        for sample in part.samples(item.root) if item.of_part is None else part.decode(item.of_part):
            yield Sample(self._formed(sample.x), f"{name}/{sample.label}", sample.file)

    def _formed(self, x: np.ndarray) -> np.ndarray:
        image = Image.fromarray(x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))
        return pixels(image.convert("L" if self.grey else "RGB"), self.size)

    def split(self, table: SampleTable) -> ClassSplit:
        """Each part's own split, as far as it is decided by class names, joined."""
        sources = []
        for name, part in zip(self.names, self.parts, strict=True):
            ids = [i for i, c in enumerate(table.class_names) if c.startswith(f"{name}/")]
            names = tuple(table.class_names[i].removeprefix(f"{name}/") for i in ids)
            own = SampleTable(table.x[:0], table.labels[:0], names, "", "")
            sources.append(part.split(own).renumbered(ids, len(table.class_names)))
        return ClassSplit.joined(sources)
