from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from benchbench import (
    BenchbenchError,
    ClassSplit,
    DataMissing,
    Dataset,
    DatasetSpec,
    RecordFile,
    Rng,
    Sample,
    SampleTable,
    data_root,
    decode_example,
    decode_picture,
    read_spec,
)

#: Records that are decoded at once.
BLOCK = 64


class Records(NamedTuple):
    """Some records of one class: the file, the class and its number, and which records."""

    path: Path
    label: str
    number: int
    chosen: tuple[int, ...]


class MetaDatasetRecords(Dataset):
    """A source of Meta-Dataset (Triantafillou et al. 2020, arXiv 1903.03096) from its own files, as the reference's
    conversion or `benchbench.export_records` writes them: ``records/SOURCE/dataset_spec.json`` and ``{id}.tfrecords``.

    Images are resized to `size`, to one channel where `grey`. `per_class` keeps that many images of a class, drawn at
    random: Quick Draw has 50 million.
    """

    licence = "that of the source"
    citation = "Triantafillou et al. 2020, Meta-Dataset, arXiv 1903.03096"
    homepage = "https://github.com/google-research/meta-dataset"
    expects = "records/SOURCE/dataset_spec.json and records/SOURCE/0.tfrecords and so on, by Meta-Dataset's conversion"
    source: str

    def __init__(
        self,
        *,
        size: Annotated[int, Field(ge=8)] = 84,
        grey: bool = False,
        per_class: Annotated[int, Field(ge=2)] | None = None,
    ):
        self.size, self.grey, self.per_class = size, grey, per_class

    def sources(self, root: Path | None) -> list[Path]:
        """The specification and every class's records."""
        spec, folder = self._spec(root)
        files = [folder / spec.pattern.format(c) for c in range(len(spec.class_names))]
        for path in files:
            if not path.is_file():
                raise DataMissing(f"dataset {self.source}: {folder / 'dataset_spec.json'} names {path}: put it there")
        return [folder / "dataset_spec.json", *files]

    def items(self, root: Path | None) -> Sequence[Records]:
        """Blocks of records, class by class."""
        spec, folder = self._spec(root)
        found = []
        for number, (label, images) in enumerate(zip(spec.class_names, spec.images, strict=True)):
            path = folder / spec.pattern.format(number)
            held = len(RecordFile(path))
            if held != images:
                raise BenchbenchError(f"TFRecord file {path} has {held} records, its dataset_spec.json says {images}")
            chosen = self._chosen(number, held)
            found += [Records(path, label, number, chosen[i : i + BLOCK]) for i in range(0, len(chosen), BLOCK)]
        return found

    def _chosen(self, number: int, held: int) -> tuple[int, ...]:
        if self.per_class is None or held <= self.per_class:
            return tuple(range(held))
        order = Rng("meta-dataset", self.source, number).numpy.permutation(held)
        return tuple(sorted(order[: self.per_class].tolist()))

    def decode(self, item: Records) -> Iterable[Sample]:
        """The images of a block."""
        file = RecordFile(item.path)
        for i in item.chosen:
            where = f"{item.path}: record {i}"
            try:
                example = decode_example(file[i])
            except ValueError as error:
                raise BenchbenchError(f"{where} is no example with image and label: {error}") from None
            if example.label != item.number:
                raise BenchbenchError(f"{where} has label {example.label}, expected {item.number}")
            x = decode_picture(example.image, self.size, self.grey, where)
            yield Sample(x, item.label, f"records/{self.source}/{item.path.name}")

    def split(self, table: SampleTable) -> ClassSplit:
        """As the specification has it, with its hierarchy."""
        return self._spec(data_root())[0].split(table.class_names)

    def _spec(self, root: Path | None) -> tuple[DatasetSpec, Path]:
        folder = (root or Path()) / "records" / self.source
        if root is None or not (folder / "dataset_spec.json").is_file():
            raise DataMissing(
                f"dataset {self.source}: expected BENCHBENCH_DATA/records/{self.source}/dataset_spec.json and "
                "0.tfrecords and so on: Meta-Dataset's own conversion of the source makes them "
                f"({self.homepage}), or benchbench.export_records"
            )
        return read_spec(folder / "dataset_spec.json"), folder


class AnySource(MetaDatasetRecords):
    """Records of the source whose folder is `source`, in Meta-Dataset's files: a set of ten or one's own."""

    def __init__(self, *, source: str, **settings: object):
        super().__init__(**settings)  # type: ignore[arg-type]
        self.source = source


class Ilsvrc2012(MetaDatasetRecords):
    """Meta-Dataset's ilsvrc_2012."""

    source = "ilsvrc_2012"


class Omniglot(MetaDatasetRecords):
    """Meta-Dataset's omniglot."""

    source = "omniglot"


class Aircraft(MetaDatasetRecords):
    """Meta-Dataset's aircraft."""

    source = "aircraft"


class CuBirds(MetaDatasetRecords):
    """Meta-Dataset's cu_birds."""

    source = "cu_birds"


class Dtd(MetaDatasetRecords):
    """Meta-Dataset's dtd."""

    source = "dtd"


class Quickdraw(MetaDatasetRecords):
    """Meta-Dataset's quickdraw."""

    source = "quickdraw"


class Fungi(MetaDatasetRecords):
    """Meta-Dataset's fungi."""

    source = "fungi"


class VggFlower(MetaDatasetRecords):
    """Meta-Dataset's vgg_flower."""

    source = "vgg_flower"


class TrafficSign(MetaDatasetRecords):
    """Meta-Dataset's traffic_sign."""

    source = "traffic_sign"


class Mscoco(MetaDatasetRecords):
    """Meta-Dataset's mscoco."""

    source = "mscoco"


class Mnist(MetaDatasetRecords):
    """Meta-Dataset's mnist."""

    source = "mnist"


class Cifar10(MetaDatasetRecords):
    """Meta-Dataset's cifar10."""

    source = "cifar10"


class Cifar100(MetaDatasetRecords):
    """Meta-Dataset's cifar100."""

    source = "cifar100"
