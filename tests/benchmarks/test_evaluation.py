"""Scoring on fixed test episodes, against a loop over episodes; see `ratios`."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from benchbench import (
    ClassSplit,
    EpisodeShape,
    Rng,
    SampleSpec,
    SampleTable,
    Target,
    TestBatch,
    Trained,
    convert_norm,
)
from benchbench.data.prepare import Prepared
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.datasets.digits import Digits
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.protonet import ProtoNet
from tests.benchmarks import peers
from tests.benchmarks.ratios import compare

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(3600),
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.benchmark(timer=time.process_time),
]
SAMPLE, SHAPE, RNG = SampleSpec("image", (1, 28, 28)), EpisodeShape(5, 1, 15), Rng("benchmark")
#: Omniglot's test part.
CLASSES, EACH = 659, 20
EPISODES = 600
#: The share of the episodes that the loop is timed on.
SHARE = 4


def target() -> Target:
    labels = np.arange(CLASSES).repeat(EACH)
    x = np.random.RandomState(0).randint(0, 256, (len(labels), 1, 28, 28), dtype=np.uint8)
    table = SampleTable(x, labels, tuple(map(str, range(CLASSES))), "noise", "noise")
    # Any dataset of images: all of it that counts is the table.
    return Target(Prepared("noise", Digits(), table, ClassSplit(test=tuple(range(CLASSES)))), SAMPLE)


def encoder() -> Conv4:
    made = convert_norm(Conv4(SAMPLE))
    for norm in made.norms:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    return made


def one_by_one(held: Target, batches: list[TestBatch], count: int):
    """Support, its labels and queries of the first episodes."""
    left = count
    for batch in batches:
        for support, y, query in list(zip(batch.support, batch.support_y, batch.query, strict=True))[:left]:
            left -= 1
            yield held.images(support.numpy()), y, held.images(query.numpy())


def test_frozen_features(benchmark):
    held, body = target(), encoder()
    net = peers.plain_net(body, running=True).eval()
    batches = list(held.episodes(SHAPE, EPISODES))

    def ours() -> Tensor:
        # Made anew: the features that it keeps are part of the work.
        trained = Trained(body, ProtoNet(body), SAMPLE)
        return torch.cat([trained.logits(batch, RNG) for batch in batches])

    @torch.no_grad()
    def theirs() -> Tensor:
        parts = one_by_one(held, batches, EPISODES // SHARE)
        return torch.stack([peers.protonet_scores(net, x, y, query, SHAPE.ways) for x, y, query in parts])

    expected = theirs()
    assert (ours()[: len(expected)] - expected).abs().max() < 1e-4 * expected.abs().max()
    work = "ProtoNet on 600 episodes of Omniglot's size, 28 px, 5-way 1-shot, q15"
    compare(benchmark, work, ours, {"episode loop": theirs}, least=1.5, rounds=2, share=SHARE)


def test_adapted_weights(benchmark):
    held, body = target(), encoder()
    learner = MAML(body, head_ways=SHAPE.ways)
    trained, net = Trained(body, learner, SAMPLE), peers.plain_net(body, learner.head)
    batches = list(held.episodes(SHAPE, 8))
    rates = {name: torch.tensor(learner.inner_lr) for name, _ in net.named_parameters()}

    def ours() -> Tensor:
        return torch.cat([trained.logits(batch, RNG) for batch in batches])

    def theirs() -> Tensor:
        scores = []
        for x, y, query in one_by_one(held, batches, 8):
            weights = peers.adapted(net, x, y, rates, learner.adaptation_steps, first_order=True)
            with torch.no_grad():
                scores.append(torch.func.functional_call(net, weights, query))
        return torch.stack(scores)

    expected = theirs()
    assert (ours() - expected).abs().max() < 1e-2 * expected.abs().max()
    work = "MAML on 8 episodes, 5 steps, 28 px, 5-way 1-shot, q15"
    compare(benchmark, work, ours, {"episode loop": theirs}, least=1.5, rounds=3)
