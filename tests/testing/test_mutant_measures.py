"""A sound dataset and a sound protocol, and versions of them with one defect each.

A mutant's docstring names its defect; `caught` says which check finds it and what its message tells the author to do.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchbench import (
    ClassSplit,
    Dataset,
    Protocol,
    Rng,
    Sample,
    SampleTable,
    Scores,
    Target,
    Trained,
    class_means,
    similarity,
)


class Bars(Dataset):
    """Bars at four places. Source: own."""

    licence = "MIT"

    def sources(self, root: Path | None) -> list[Path]:
        return [Path(__file__)]

    def samples(self, root: Path | None) -> Iterator[Sample]:
        for place in range(4):
            for number in range(3):
                x = np.full((1, 8, 8), 10 * number, np.uint8)
                x[:, :, 2 * place] = 255
                yield Sample(x, f"place-{place}")

    def split(self, table: SampleTable) -> ClassSplit:
        return ClassSplit(train=(0, 1), test=(2, 3))


class Floats(Bars):
    """Samples in [0, 1]."""

    caught = "samples fit together", "yield uint8 (C, H, W)"

    def samples(self, root):
        return (replace(s, x=s.x / np.float32(255)) for s in super().samples(root))


class Restless(Bars):
    """Another order each time."""

    caught = "samples fit together", "sort what is listed, and seed what is drawn"

    turn = 0

    def samples(self, root):
        self.turn += 1
        found = list(super().samples(root))
        return iter(found[self.turn :] + found[: self.turn])


class Unlicensed(Bars):
    """No licence."""

    caught = "licence stated", "set `licence`"

    licence = ""


class Absent(Bars):
    """A file that is not there."""

    caught = "files there", "raise DataMissing that says which files to put where"

    def sources(self, root):
        return [Path("no-such-file.png")]


class Sharing(Bars):
    """One table for bars of every width."""

    caught = "shared table fits", "split_settings holds settings that only `split` reads"
    split_settings = frozenset({"width"})

    def __init__(self, *, width: int = 1):
        self.width = width

    def samples(self, root):
        for s in super().samples(root):
            s.x[:, : self.width] = 255
            yield s


class Means(Protocol):
    """Class means classify test images. Source: own."""

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        hits = target.score_images(target.division().test, self.predictions(trained, target))
        return {"accuracy": Scores(hits, 1, "image")}

    def predictions(self, trained: Trained, target: Target) -> Tensor:
        fit = target.division().fit
        y = torch.from_numpy(fit.y).to(trained.device)
        means = class_means(trained.features(target, fit.rows)[None], y[None], target.classes)
        return similarity(trained.features(target, target.division().test)[None], means)[0].argmax(1)


class Undeclared(Means):
    """A metric that is not declared."""

    caught = "scores as declared", "declare in `metrics` what evaluate returns"

    def evaluate(self, trained, target, rng):
        return {"precision": super().evaluate(trained, target, rng)["accuracy"]}


class MeanOnly(Means):
    """The mean alone."""

    caught = "scores as declared", "never only their mean"

    def evaluate(self, trained, target, rng):
        return {"accuracy": Scores([float(np.mean(super().evaluate(trained, target, rng)["accuracy"].values))])}


class Tuning(Means):
    """The encoder is tuned in place."""

    caught = "encoder untouched", "work on copies"

    def evaluate(self, trained, target, rng):
        with torch.no_grad():
            next(trained.encoder.parameters()).mul_(0.9)
        return super().evaluate(trained, target, rng)


class FixedDevice(Means):
    """Labels that stay on the CPU."""

    caught = "any device for scores", "make tensors on the device of the samples"

    def predictions(self, trained, target):
        fit = target.division().fit
        features = trained.features(target, fit.rows)
        means = torch.stack([features[torch.from_numpy(fit.y == label)].mean(0) for label in range(target.classes)])
        near = torch.zeros(len(target.division().test), target.classes)
        return (near + similarity(trained.features(target, target.division().test)[None], means[None])[0]).argmax(1)


class Peeker(Means):
    """Test labels from the table."""

    caught = "test labels unread", "leave scoring to target.score"

    def predictions(self, trained, target):
        return torch.from_numpy(target.data.table.labels[target.division().test])


def mutants():
    return [c for c in globals().values() if isinstance(c, type) and "caught" in vars(c)]


def test_without_a_defect_they_conform(conforms):
    conforms(Bars)
    conforms(Means)


@pytest.mark.parametrize("component", mutants(), ids=lambda c: c.__name__)
def test_the_defect_is_caught(component, caught):
    caught(component)
