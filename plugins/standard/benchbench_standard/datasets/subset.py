from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, ComponentRef, Dataset, Rng, Sample, SampleTable, component_ref


class Subset(Dataset):
    """A dataset with fewer classes to train on, for what a method does with less data (Su, Maji & Hariharan 2020,
    arXiv 1910.03560, figure 3, who leave out images): a `share` of the training classes of the dataset `of`, rounded
    up; validation and test are as they were.

    Classes come in one random order for all shares, so that a smaller share is part of a larger one. Classes that are
    variants of one thing stay together. Meta-Dataset's sampler sees the classes without their tree.
    """

    licence = "that of the dataset"
    citation = "that of the dataset"

    def __init__(self, *, of: component_ref("dataset"), share: Annotated[float, Field(gt=0, le=1)] = 0.1):  # type: ignore[valid-type]
        self.of: ComponentRef = of
        self.whole: Dataset = of.build()
        self.share = share

    def sources(self, root: Path | None) -> list[Path]:
        """Those of the dataset."""
        return self.whole.sources(root)

    def split_sources(self, root: Path | None) -> list[Path]:
        """Those of the dataset."""
        return self.whole.split_sources(root)

    def table_of(self, ref: ComponentRef) -> ComponentRef:
        """The dataset's: only the split is another."""
        return self.whole.table_of(self.of)

    def remarks(self, root: Path | None) -> list[str]:
        """Those of the dataset."""
        return self.whole.remarks(root)

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Those of the dataset, of the classes that are left out too: no part draws from these."""
        return self.whole.samples(root)

    def split(self, table: SampleTable) -> ClassSplit:
        """The dataset's own, with fewer classes in its training part."""
        split = self.whole.split(table)
        if split.sources:
            raise BenchbenchError("dataset subset: a union has no subset; make a union of subsets")
        things = split.variant_of or range(len(table.class_names))
        known = sorted({things[c] for c in split.train})
        order = Rng("subset").numpy.permutation(len(known))
        kept = {known[i] for i in order[: ceil(self.share * len(known))]}
        return replace(split, train=tuple(c for c in split.train if things[c] in kept), hierarchy=None)
