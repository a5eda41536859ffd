"""What is required of a modality: specimens, fitting, floors."""

from dataclasses import replace

import torch

from benchbench.components.registry import offers
from benchbench.data.modality import Modality
from benchbench.data.storage import STORAGES
from benchbench.encoding.sample import SampleSpec
from benchbench.testing.checks import check
from benchbench.testing.standins import rows_of
from benchbench.testing.subjects import Fault, Subject


def specimens(subject: Subject) -> tuple[Modality, tuple[SampleSpec, ...]]:
    """The modality, and what components for it are tried on."""
    made: Modality = subject.build()
    found = made.specimens()
    if not found:
        raise Fault("it has no specimens: give at least one, so that components for it can be checked")
    return made, found


@check("modality")
def storage_known(subject: Subject) -> None:
    """Its tables hold bytes, ids or values, and its specimens say what arrives at an encoder."""
    if subject.cls.storage not in STORAGES:
        raise Fault(f"storage is {subject.cls.storage!r}: it is one of {', '.join(STORAGES)}")
    for sample in specimens(subject)[1]:
        if sample.dtype != STORAGES[subject.cls.storage]:
            raise Fault(
                f"a specimen is of {sample.dtype}: from {subject.cls.storage} come {STORAGES[subject.cls.storage]}"
            )
        if (sample.vocabulary is None) == (subject.cls.storage == "uint16"):
            raise Fault("specimens of ids have a vocabulary, and others none")


@check("modality")
def shapes_judged(subject: Subject) -> None:
    """It takes samples of its specimens' shapes, and says what it expects of a shape that it does not take."""
    made, found = specimens(subject)
    for sample in found:
        if complaint := made.misshapen(sample.shape):
            raise Fault(f"it refuses the shape {sample.shape} of its own specimen ({complaint})")
    if not made.misshapen(()):
        raise Fault("it takes samples without any axis: say in misshapen what is expected")


@check("modality")
def samples_fitted(subject: Subject) -> None:
    """Samples that fit already are unchanged, and those of one specimen become samples of another, or it says why
    not."""
    made, found = specimens(subject)
    for held in found:
        x = made.examples(held, 3, torch.Generator().manual_seed(0))
        if tuple(x.shape) != (3, *held.shape):
            raise Fault(f"its examples of {held.shape} are {tuple(x.shape)}: they must be (count, *shape)")
        if not torch.equal(made.fit(x, held, held), x):
            raise Fault("samples that fit an encoder already are changed: return them as they are")
        for wanted in [*found, replace(held, shape=found[-1].shape)]:
            if made.misfit(held, wanted):
                continue
            fitted = made.fit(x, held, wanted)
            if tuple(fitted.shape) != (3, *wanted.shape) or fitted.dtype != x.dtype:
                raise Fault(f"samples {held.shape} for an encoder of {wanted.shape} become {tuple(fitted.shape)}")


@check("modality")
def rows_shown(subject: Subject) -> None:
    """A row of a table is shown as a picture or as one line of text."""
    made, found = specimens(subject)
    for sample in found:
        shown = made.shown(rows_of(sample, 2, 2)[0], sample)
        if isinstance(shown, str):
            if "\n" in shown:
                raise Fault("what it shows of a sample has several lines: put them into one")
        elif shown.ndim != 3 or shown.dtype.name != "uint8" or shown.shape[0] not in (1, 3):
            raise Fault(f"it shows {shown.dtype} {shown.shape}: a picture is uint8 (1 or 3, H, W)")


@check("modality")
def floors_installed(subject: Subject) -> None:
    """Its raw inputs name a backbone and a meta-algorithm that are installed; the backbone has nothing to train."""
    known = {kind: {offer.name: offer for offer in offers(kind)} for kind in ("backbone", "meta")}
    for rule in subject.cls.floors:
        for kind in ("backbone", "meta"):
            if rule.get(kind) not in known[kind]:
                raise Fault(f"a floor names {kind} {rule.get(kind)!r}, which is not installed: name one that is")
        if known["backbone"][rule["backbone"]].load().trainable:  # type: ignore[attr-defined]
            raise Fault(f"the floor {rule['backbone']} can be trained: raw inputs have nothing to train")
