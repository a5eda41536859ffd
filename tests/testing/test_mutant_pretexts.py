"""A sound pretext, and versions of it with one defect each.

A mutant's docstring names its defect; `caught` says which check finds it and what its message tells the author to do.
"""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Batch, Encode, Episodes, EpisodeShape, Pool, Pretext, Progress, Rng, SampleSpec


class Negative(Pretext):
    """Images and negatives; a share of `noise` is added. Source: own."""

    objectives = frozenset({"plain", "task", "episodes"})
    max_ways = 2
    views = 2

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, noise: float = 0.0):
        super().__init__(encoder, sample)
        self.noise = noise
        self.classifier = nn.Linear(encoder.dim, 2)

    def task_loss(self, encode: Encode, x: Tensor, rng: Rng) -> Tensor:
        x = (x + self.noise * torch.rand(x.shape, generator=rng.on(x.device), device=x.device)).clamp(0, 1)
        y = torch.arange(2, device=x.device).repeat_interleave(len(x))
        return F.cross_entropy(self.classifier(encode(torch.cat([x, 1 - x]))), y)

    def classes(self, shape: EpisodeShape, count: int, rng: Rng) -> Tensor:
        return rng.choices(2, shape.ways, count)

    def episodes(self, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
        negative = self.classes(shape, count, rng).repeat_interleave(shape.per_class, 1).to(pool.device)
        x = pool.draw(count, shape.samples, rng)
        x = torch.where(negative.view(count, -1, *[1] * (x.dim() - 2)) == 1, 1 - x, x)
        return Episodes.from_classes(x.unflatten(1, (shape.ways, shape.per_class)), shape)


class TorchsGlobal(Negative):
    """Noise of torch's global generator."""

    caught = "draws follow the stream", "draw from the `rng` it is handed"

    def task_loss(self, encode, x, rng):
        return super().task_loss(encode, x + 0.1 * torch.rand_like(x), rng)


class NumpysGlobal(Negative):
    """Episodes of NumPy's global generator."""

    caught = "episodes follow the stream", "NumPy's global generator: draw from the `rng`"

    def classes(self, shape, count, rng):
        return torch.from_numpy(np.stack([np.random.permutation(2)[: shape.ways] for _ in range(count)]))


class PythonsGlobal(Negative):
    """A coin of Python's global generator."""

    caught = "draws follow the stream", "Python's global generator: draw from the `rng`"

    def task_loss(self, encode, x, rng):
        return super().task_loss(encode, x.flip(-1) if random.random() < 0.5 else x, rng)


class Counting(Negative):
    """A loss that changes from call to call."""

    caught = "draws follow the stream", "change state in after_step"

    calls = 0

    def task_loss(self, encode, x, rng):
        self.calls += 1
        return super().task_loss(encode, x, rng) * self.calls


class Unshuffled(Negative):
    """Negatives always have label 1."""

    caught = "labels shuffled", "in random order, by rng.choices(classes, ways, count)"

    def classes(self, shape, count, rng):
        return torch.arange(shape.ways).expand(count, -1)


class Unbalanced(Negative):
    """Support labels of one class alone."""

    caught = "episode shapes", "give each class 1 samples in every episode"

    def episodes(self, pool, shape, count, rng):
        made = super().episodes(pool, shape, count, rng)
        return replace(made, support_y=torch.zeros_like(made.support_y))


class FromOne(Negative):
    """Labels from 1."""

    caught = "episode shapes", "number the classes of each episode from 0"

    def episodes(self, pool, shape, count, rng):
        made = super().episodes(pool, shape, count, rng)
        return replace(made, support_y=made.support_y + 1, query_y=made.labels() + 1)


class ThreeChannels(Negative):
    """Colour is taken for granted."""

    caught = "plain loss", "where it must not: The plain loss is a finite scalar on one channel, on three"

    def task_loss(self, encode, x, rng):
        grey = (x * x.new_tensor([0.3, 0.6, 0.1]).view(3, 1, 1)).sum(1, keepdim=True)
        return super().task_loss(encode, grey.expand(-1, x.shape[1], -1, -1) if x.shape[1] == 3 else grey[:, :0], rng)


class Square(Negative):
    """Images are taken for square."""

    caught = "plain loss", "and on images that are not square"

    def task_loss(self, encode, x, rng):
        return super().task_loss(encode, (x + x.mT) / 2, rng)


class InPlace(Negative):
    """The batch is changed."""

    caught = "inputs untouched", "work on a copy"

    def loss(self, batch, rng):
        batch.x.sub_(0.1).clamp_(0, 1)
        return self.task_loss(self.encoder, batch.x, rng)


class Whitened(Negative):
    """Divided by the deviation over the batch."""

    caught = "batch of one", "guard it, or raise BenchbenchError"

    def task_loss(self, encode, x, rng):
        return super().task_loss(lambda z: encode(z), x, rng) / x.flatten(1).std(0).mean()


class Positional(Negative):
    """A setting that is none."""

    caught = "constructor", "put it behind a '*'"

    def __init__(self, encoder: Backbone, sample: SampleSpec, width: int = 4):
        super().__init__(encoder, sample)


class Bare(Pretext):
    """A pretext without settings."""

    def __init__(self, encoder: Backbone, sample: SampleSpec):
        super().__init__(encoder, sample)


class Swallowing(Bare):
    """Settings that nobody declared."""

    caught = "constructor", "name each setting, so that it is validated"

    def __init__(self, encoder: Backbone, sample: SampleSpec, **settings: Any):
        super().__init__(encoder, sample)
        self.noise = settings.get("noise", 0.0)


class Unexplained(Negative):
    """A setting that is not explained."""

    caught = "settings documented", "say in the docstring of the class or of __init__ what it does"

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, gamma: float = 1.0):
        super().__init__(encoder, sample)


class Untyped(Negative):
    """A setting `gamma` without a type."""

    caught = "settings validated", "annotate it"

    def __init__(self, encoder, sample, *, gamma=1.0):
        super().__init__(encoder, sample)


class Sourceless(Negative):
    """Images and negatives; a share of `noise` is added."""

    caught = "documented with source", "name the paper"


class Forgetful(Negative):
    """Temperature outside the state dict."""

    caught = "state round trip", "keep what training changes in parameters and buffers"

    temperature = 1.0

    def after_step(self, progress: Progress) -> None:
        self.temperature *= 0.5

    def task_loss(self, encode, x, rng):
        return super().task_loss(encode, x, rng) / self.temperature


class Peeking(Negative):
    """True labels without saying so."""

    caught = "plain loss", "set `uses_labels = True`"

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        return super().loss(batch, rng) + 0 * batch.y.sum()


class OneView(Negative):
    """A budget that is half of what is used."""

    caught = "views declared", "declare `views = 2`"

    views = 1


class Detached(Negative):
    """A loss of detached features."""

    caught = "gradients reach the encoder", "encode under autograd, without detach"

    def task_loss(self, encode, x, rng):
        return super().task_loss(lambda z: encode(z).detach(), x, rng)


class OwnEncoder(Negative):
    """The handed encoder is not used."""

    caught = "task loss", "call encode(x), never self.encoder(x)"

    def task_loss(self, encode, x, rng):
        return super().task_loss(self.encoder, x, rng)


class OnTheCpu(Negative):
    """A tensor on the CPU, whatever the device."""

    caught = "any device for the loss", "make tensors on the device of the samples"

    def task_loss(self, encode, x, rng):
        return super().task_loss(lambda z: encode(z) * torch.ones(len(z), 1), x, rng)


class Keeping(Negative):
    """The encoder is registered again."""

    caught = "encoder is borrowed", "use self.encoder, which the base class holds"

    def __init__(self, encoder: Backbone, sample: SampleSpec, *, noise: float = 0.0):
        super().__init__(encoder, sample, noise=noise)
        self.body = encoder


def mutants():
    return [c for c in globals().values() if isinstance(c, type) and "caught" in vars(c)]


def test_without_a_defect_it_conforms(conforms):
    conforms(Negative)


@pytest.mark.parametrize("component", mutants(), ids=lambda c: c.__name__)
def test_the_defect_is_caught(component, caught):
    caught(component)
