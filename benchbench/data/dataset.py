"""The contract of datasets."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.components.component import Component
from benchbench.components.reference import ComponentRef
from benchbench.data.archives import Archive
from benchbench.data.splits import ClassSplit
from benchbench.data.table import Sample, SampleTable


class Dataset(Component, ABC):
    """A source of labelled samples, decoded once by the core into a memory-mapped table.

    It offers either `samples`, or `items` and `decode`, which can then run in several processes.
    """

    kind = "dataset"
    #: What its samples are (`benchbench.Modality`).
    modality: str = "image"
    #: To how many tokens samples of tokens are cut or padded; None for the longest one's.
    length: int | None = None
    #: Under which licence its files may be used.
    licence: ClassVar[str] = ""
    #: The paper to cite.
    citation: ClassVar[str] = ""
    #: Where its files come from.
    homepage: ClassVar[str] = ""
    #: Which files it reads and where, in words; empty if it needs none.
    expects: ClassVar[str] = ""
    #: What ``benchbench data prepare NAME --download`` fetches into the data folder.
    archives: ClassVar[tuple[Archive, ...]] = ()
    #: Settings that only `split` reads.
    split_settings: ClassVar[frozenset[str]] = frozenset()
    #: The object classes of its samples' boxes and masks, if it has any.
    object_names: tuple[str, ...] = ()

    @abstractmethod
    def sources(self, root: Path | None) -> list[Path]:
        """The files it is read from; their bytes enter its fingerprint. `root` is ``BENCHBENCH_DATA``, or None.

        Raises DataMissing, saying what to put where.
        """

    def split_sources(self, root: Path | None) -> list[Path]:
        """The files that only `split` reads. They stay out of the fingerprint, which the split itself enters."""
        return []

    def table_of(self, ref: ComponentRef) -> ComponentRef:
        """Whose prepared table holds its samples; `ref` is itself. Datasets of one table are decoded once for all, and
        each divides it by its own `split`. By default those that differ in `split_settings` alone."""
        return ref.without(self.split_settings)

    def remarks(self, root: Path | None) -> list[str]:
        """What a user should know of the files and does not see in the samples, a line each: what was passed over."""
        return []

    def items(self, root: Path | None) -> Sequence[Any]:
        """What `decode` makes samples from, in a stable order: small values that can be sent to another process."""
        raise NotImplementedError

    def decode(self, item: Any) -> Iterable[Sample]:
        """The samples of one item: one, or several that share a file."""
        raise NotImplementedError

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every sample, decoded, in a stable order; class names with ``/`` make the class tree."""
        for item in self.items(root):
            yield from self.decode(item)

    @abstractmethod
    def split(self, table: SampleTable) -> ClassSplit:
        """Which classes are for training, validation and test; the parts never share a class."""
