"""What is required of a dataset: files, samples, split. It is decoded in full, as in preparation."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from benchbench.components.reference import ComponentRef
from benchbench.components.registry import offers
from benchbench.components.settings import construct, validate
from benchbench.data.dataset import Dataset
from benchbench.data.prepare import data_root
from benchbench.data.splits import PARTS, ClassSplit
from benchbench.data.table import Sample
from benchbench.errors import BenchbenchError, DataMissing, suggest
from benchbench.testing.checks import check
from benchbench.testing.guards import own_draws_only
from benchbench.testing.standins import decoded
from benchbench.testing.subjects import Fault, NotApplicable, Subject

#: Number of samples that are decoded twice.
AGAIN = 50


def opened(subject: Subject) -> Dataset:
    """The dataset, with its files present. Raises NotApplicable if its sources raise DataMissing."""
    dataset: Dataset = subject.build()
    try:
        dataset.sources(data_root())
    except DataMissing as missing:
        raise NotApplicable(f"its files are not here: {missing}") from None
    return dataset


@check("dataset")
def licence_stated(subject: Subject) -> None:
    """Its licence is stated, in words or as an SPDX name."""
    if not subject.cls.licence.strip():
        raise Fault(
            "it states no licence: set `licence` (SPDX name or words; 'unknown' or 'the user's own' are words too)"
        )
    if not isinstance(subject.cls.modality, str) or not subject.cls.modality:
        raise Fault(f"modality is {subject.cls.modality!r}: set it to a name, such as 'image'")
    known = {offer.name for offer in offers("modality")}
    if subject.cls.modality not in known:
        raise Fault(
            f"modality {subject.cls.modality!r} is not installed{suggest(subject.cls.modality, known)}: a distribution "
            "offers it through the entry points benchbench.modalities"
        )


@check("dataset")
def files_there(subject: Subject) -> None:
    """Its sources are existing files, in the same order each time; missing ones raise DataMissing."""
    dataset = opened(subject)
    found = dataset.sources(data_root())
    if found != dataset.sources(data_root()):
        raise Fault("its sources come in another order at the second call: sort them")
    for path in [*found, *dataset.split_sources(data_root())]:
        if not isinstance(path, Path):
            raise Fault(f"its source {path!r} is a {type(path).__name__}: return pathlib.Path objects")
        if not path.exists():
            raise Fault(f"its source {path} is not there: raise DataMissing that says which files to put where")


@check("dataset")
def samples_fit_together(subject: Subject) -> None:
    """Samples are as their modality has them, of one shape, with a class name each, in the same order each time."""
    dataset = opened(subject)
    first: list[Sample] = []
    try:
        # What is imported at the first sample may draw as it is imported.
        next(iter(dataset.samples(data_root())), None)
        with own_draws_only("its samples method"), decoded(_judged(dataset, first), subject.name, dataset) as table:
            again = list(islice(dataset.samples(data_root()), AGAIN))
            splits = [dataset.split(table) for _ in range(2)]
            classes = len(table.class_names)
    except BenchbenchError as error:
        advice = "yield uint8 (C, H, W), all of one shape" if dataset.modality == "image" else "see benchbench.Sample"
        raise Fault(f"its samples cannot be kept ({error}): {advice}") from None
    if not _alike(first, again):
        raise Fault(
            "its samples come in another order, or as other pixels, at the second call: sort what is listed, and seed "
            "what is drawn"
        )
    if splits[0] != splits[1]:
        raise Fault("its split is another at the second call: derive it from class names alone, or seed it")
    _judge_split(splits[0], classes)


def _alike(ours: list[Sample], theirs: list[Sample]) -> bool:
    """Whether they are the same samples, of the same classes, in the same order."""
    return [s.label for s in ours] == [s.label for s in theirs] and all(
        np.array_equal(a.x, b.x) for a, b in zip(ours, theirs, strict=True)
    )


def _judged(dataset: Dataset, first: list[Sample]) -> Iterator[Sample]:
    """Every sample, each judged on its own; copies of the first `AGAIN` go to `first`."""
    for sample in dataset.samples(data_root()):
        if not isinstance(sample, Sample):
            raise Fault(f"it yields a {type(sample).__name__}: yield benchbench.Sample(x, label)")
        if not isinstance(sample.label, str) or not sample.label:
            raise Fault(
                f"it yields the label {sample.label!r}: a label is the name of a class, a text that is not empty"
            )
        if len(first) < AGAIN:
            x = np.array(sample.x) if isinstance(sample.x, np.ndarray) else list(sample.x)
            first.append(replace(sample, x=x))
        yield sample


def _judge_split(split: ClassSplit, classes: int) -> None:
    if not isinstance(split, ClassSplit):
        raise Fault(f"its split is a {type(split).__name__}: return benchbench.ClassSplit")
    ids = [c for part in PARTS for c in split.part(part)]
    if not split.test:
        raise Fault("its split has no test class: nothing can be scored on it")
    if not all(isinstance(c, int) and 0 <= c < classes for c in ids):
        raise Fault(f"its split holds class ids outside 0 to {classes - 1}: number classes as table.class_names does")


@check("dataset")
def shared_table_fits(subject: Subject) -> None:
    """Where it shares a prepared table (`split_settings`, `table_of`), that table's samples are its own; other values
    of `split_settings` are tried where they can be guessed."""
    if unknown := subject.cls.split_settings - subject.fields.keys():
        named = sorted(unknown)[0]
        raise Fault(f"split_settings holds {named!r}{suggest(named, subject.fields)}: expected names of its settings")
    opened(subject)
    shared = [_judge_sharing(replace(subject, settings=settings)) for settings in _divisions(subject)]
    if not any(shared):
        raise NotApplicable("its table is its own")


def _divisions(subject: Subject) -> Iterator[dict[str, Any]]:
    """The settings, and some that differ from them in one of `split_settings`."""
    yield dict(subject.settings)
    for name in sorted(subject.cls.split_settings):
        field = subject.fields[name]
        value = subject.settings.get(name, field.default)
        others = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if isinstance(value, bool):
            others = (not value,)
        elif isinstance(value, int):
            others = (value + 1,)
        for settings in ({**subject.settings, name: other} for other in others if other != value):
            with suppress(BenchbenchError):
                validate(subject.label, subject.cls, settings)
                yield settings


def _judge_sharing(subject: Subject) -> bool:
    """Whether it has another's table. Raises Fault if that table has other samples."""
    settings = validate(subject.label, subject.cls, subject.settings).model_dump(mode="json")
    dataset: Dataset = subject.build()
    ref = ComponentRef(kind="dataset", name=subject.name, revision=subject.cls.revision, settings=settings)
    if (shared := dataset.table_of(ref)) == ref:
        return False
    own = shared.name == subject.name
    other: Dataset = construct(subject.cls, settings=shared.settings) if own else shared.build()
    ours, theirs = (list(islice(d.samples(data_root()), AGAIN)) for d in (dataset, other))
    if other.sources(data_root()) != dataset.sources(data_root()) or not _alike(ours, theirs):
        raise Fault(
            f"with {dict(subject.settings)} it shares the table of {shared.name} {shared.settings}, whose samples are "
            "not its own: split_settings holds settings that only `split` reads; where that depends on their values, "
            "see `table_of`"
        )
    return True


@check("dataset")
def items_travel(subject: Subject) -> None:
    """If it has items, they are small and can be sent to another process, and decoding them gives the samples."""
    if subject.cls.items is Dataset.items:
        raise NotApplicable("it has no items")
    dataset = opened(subject)
    items = dataset.items(data_root())
    if len(items) != len(dataset.items(data_root())):
        raise Fault("it has another number of items at the second call: list them in a stable order")
    if not len(items):
        raise Fault("it has no items although its files are there: raise DataMissing with what is expected")
    item = items[0]
    try:
        sent = ForkingPickler.loads(ForkingPickler.dumps(item))
    except Exception as error:
        raise Fault(
            f"an item cannot be sent to another process ({error}): make items paths, numbers or tuples"
        ) from None
    here, there = list(dataset.decode(item)), list(subject.build().decode(sent))
    if (
        not here
        or len(here) != len(there)
        or any(not np.array_equal(a.x, b.x) for a, b in zip(here, there, strict=True))
    ):
        raise Fault("an item decodes to other samples in another process: let decode depend on its item alone")
