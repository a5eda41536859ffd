"""A sound meta-learner and a sound backbone, and versions of them with one defect each.

A mutant's docstring names its defect; `caught` says which check finds it and what its message tells the author to do.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Backbone, Episodes, MetaLearner, Rng, SampleSpec, class_means, similarity


class Centroids(MetaLearner):
    """Nearest class means with a learned scale, times `factor`. Source: own."""

    def __init__(self, encoder: Backbone, *, factor: float = 1.0, **norm: Any):
        super().__init__(encoder, **norm)
        self.factor = factor
        self.scale = nn.Parameter(torch.tensor(1.0))

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        features = self.encode(episodes.all_x, support=episodes.shots)
        support, query = features[:, : episodes.shots], features[:, episodes.shots :]
        means = class_means(support, episodes.support_y, episodes.ways)
        return self.factor * self.scale * similarity(query, means)


class Cheating(Centroids):
    """Query labels, where they are there."""

    caught = "query labels unread", "score queries from support_x, support_y and query_x alone"

    def logits(self, episodes, rng):
        logits = super().logits(episodes, rng)
        return logits if episodes.query_y is None else logits + F.one_hot(episodes.query_y, episodes.ways)


class Needing(Centroids):
    """Query labels, always."""

    caught = "query labels unread", "query_y is None at test"

    def logits(self, episodes, rng):
        return super().logits(episodes, rng) + 0 * episodes.labels().sum()


class LateFactor(Centroids):
    """A setting of tests that training reads."""

    caught = "settings of tests leave training alone", "read it in evaluation mode only"
    test_settings = frozenset({"test_norm", "factor"})


class FiveWays(Centroids):
    """Five ways, whatever the episodes."""

    caught = "any ways", "with the ways of the episodes"

    def logits(self, episodes, rng):
        return F.pad(super().logits(episodes, rng), (0, 5 - episodes.ways) if episodes.ways < 5 else (0, 0))


class Flattened(Centroids):
    """Features centred over all tasks."""

    caught = "tasks are independent", "never flatten B into the encoder"

    def logits(self, episodes, rng):
        logits = super().logits(episodes, rng)
        return logits - logits.mean()


class Replacing(Centroids):
    """Gradients of earlier chunks are lost."""

    caught = "gradients add up", "ADD `weight` times the loss's gradient to .grad"

    def backward(self, episodes, rng, weight=1.0):
        for w in (*self.encoder.parameters(), *self.parameters()):
            w.grad = None
        return super().backward(episodes, rng, weight)


class Weightless(Centroids):
    """The weight of a chunk is ignored."""

    caught = "gradients add up", "ADD `weight` times the loss's gradient to .grad"

    def backward(self, episodes, rng, weight=1.0):
        return super().backward(episodes, rng)


class Frozen(Centroids):
    """Features without a graph."""

    caught = "gradients reach the encoder", "keep the graph through self.encode"

    def encode(self, x, *, params=None, support=None):
        return super().encode(x, params=params, support=support).detach()


class HalfFrozen(Frozen):
    """An encoder that is not trained, but whose running averages move."""

    caught = "gradients reach the encoder", "changes the encoder's"

    def parameter_groups(self):
        return [{"params": list(self.parameters())}]


class Drifting(Centroids):
    """The scale is adapted for good."""

    caught = "leaves itself untouched", "leave its own state as it was"

    def logits(self, episodes, rng):
        logits = super().logits(episodes, rng)
        self.scale.data += 0.1
        return logits


class ByPosition(Centroids):
    """Classes by place in the support set."""

    caught = "uneven shots", "group the support set by support_y"

    def logits(self, episodes, rng):
        features = self.encode(episodes.all_x, support=episodes.shots)
        size = episodes.shots // episodes.ways
        means = features[:, : size * episodes.ways].unflatten(1, (episodes.ways, size)).mean(2)
        if size * episodes.ways != episodes.shots:
            means = means[:, :-1]
        scores = similarity(features[:, episodes.shots :], means)
        return self.scale * scores + 0 * episodes.support_y.sum()


class Deaf(Centroids):
    """The support labels are ignored."""

    caught = "support labels used", "use support_y in logits"

    def logits(self, episodes, rng):
        return super().logits(
            replace(episodes, support_y=torch.arange(episodes.shots).expand(len(episodes), -1) % episodes.ways), rng
        )


class Around(Centroids):
    """Features of its own path."""

    caught = "precomputed features", "reach the encoder by self.encode"

    frozen_features = True

    def encode(self, x, *, params=None, support=None):
        return 2 * super().encode(x, params=params, support=support) if self._precomputed else super().encode(x)


class Centred(Centroids):
    """Features are centred by all queries' mean, undeclared."""

    caught = "queries are independent", "set `transductive = True` on the class"

    def logits(self, episodes, rng):
        query = episodes.query_x - episodes.query_x.mean(1, keepdim=True)
        return super().logits(replace(episodes, query_x=query), rng)


class Layer(Backbone):
    """One layer of `width`. Source: own."""

    def __init__(self, sample: SampleSpec, *, width: int = 6):
        super().__init__()
        self.linear = nn.Linear(int(np.prod(sample.shape)), width)
        self.dim = width

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.flatten(1)).tanh()


class WrongDim(Layer):
    """Another length than it says."""

    caught = "feature shapes", "set `dim` to its length"

    def forward(self, x):
        return super().forward(x)[:, 1:]


class Squeezing(Layer):
    """A batch of one loses its axis."""

    caught = "batch of one", "drop squeeze()"

    def forward(self, x):
        return super().forward(x).squeeze(0)


class Centring(Layer):
    """Features are centred over the batch."""

    caught = "batch of one", "use running statistics"

    def forward(self, x):
        features = super().forward(x)
        return features - features.mean(0)


class Leaning(Layer):
    """Each sample leans on the one before it; the first has none."""

    caught = "batch of one", "use running statistics"

    def forward(self, x):
        features = super().forward(x)
        return torch.cat([features[:1], features[1:] + features[:-1]])


class Crowded(Layer):
    """Features are centred over batches that are large."""

    caught = "batch of one", "use running statistics"

    def forward(self, x):
        features = super().forward(x)
        return features - features.mean(0) if len(x) > 16 else features


class InPlaceInput(Layer):
    """Samples are normalised in place."""

    caught = "inputs untouched", "normalise into a new tensor"

    def forward(self, x):
        return super().forward(x.sub_(0.5))


class Idle(Layer):
    """A layer that nobody uses."""

    caught = "gradients reach every weight", "use it in forward, or remove it"

    def __init__(self, sample: SampleSpec, *, width: int = 6):
        super().__init__(sample, width=width)
        self.unused = nn.Linear(2, 2)


class Unsaved(Layer):
    """A random projection outside the state dict."""

    caught = "state round trip", "parameters and buffers (register_buffer)"

    def __init__(self, sample: SampleSpec, *, width: int = 6):
        super().__init__(sample, width=width)
        self.projection = torch.randn(width, width)

    def forward(self, x):
        return super().forward(x) @ self.projection


class Copied(Layer):
    """Weights that nobody can replace."""

    caught = "weights of each task", "not copies or `.data`"

    def forward(self, x):
        own = self.__dict__.setdefault("own", [self.linear.weight, self.linear.bias])
        return F.linear(x.flatten(1), *own).tanh()


class FirstOrder(Layer):
    """A faster path without second derivatives."""

    caught = "encode tasks", "keep tasks apart"

    def encode_tasks(self, x, params, *, running, support=None):
        weight, bias = (
            params.get(f"linear.{k}", w.expand(len(x), *w.shape)) for k, w in self.linear.named_parameters()
        )
        out = torch.einsum("bnd,bkd->bnk", x.flatten(2), weight) + bias.unsqueeze(1)
        return out.tanh() + (out - out.detach()) ** 2


class HardCoded(Layer):
    """A device by name."""

    caught = "feature shapes", "Name no device: compute where the samples are (x.device)"

    def forward(self, x):
        return super().forward(x.to("cuda")).cpu()


class FixedDevice(Layer):
    """A constant that stays on the CPU."""

    caught = "any device", "make tensors on the device of the samples"

    def __init__(self, sample: SampleSpec, *, width: int = 6):
        super().__init__(sample, width=width)
        self.mean = torch.full((width,), 0.5)

    def forward(self, x):
        return super().forward(x) - self.mean


class WrongStride(Layer):
    """A map that is not of the stride it says."""

    caught = "feature maps", "name each map by its own stride"

    provides = frozenset({"feature_maps"})

    def feature_maps(self, x):
        return {4: F.avg_pool2d(x, 2)}


def mutants():
    return [c for c in globals().values() if isinstance(c, type) and "caught" in vars(c)]


def test_without_a_defect_they_conform(conforms):
    conforms(Centroids)
    conforms(Layer)


@pytest.mark.parametrize("component", mutants(), ids=lambda c: c.__name__)
def test_the_defect_is_caught(component, caught):
    caught(component)
