"""Meta-training steps of Conv-4 against the same steps task by task and by higher; see `ratios`."""

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from benchbench import Episodes, EpisodeShape, MetaLearner, Rng, SampleSpec, convert_norm
from benchbench.training.draws import CHUNK
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.metas.anil import ANIL
from benchbench_standard.metas.fomaml import FOMAML
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.meta_sgd import MetaSGD
from benchbench_standard.metas.protonet import ProtoNet
from tests.benchmarks import peers
from tests.benchmarks.ratios import compare

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(3600),
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.benchmark(timer=time.process_time),
]
#: The rate is a power of two: a learned one is a float32 in float64 too.
RATE, RNG = 0.125, Rng("benchmark")


def drawn(tasks: int, size: int, shape: EpisodeShape, channels: int = 1) -> Episodes:
    return Episodes.from_classes(torch.rand(tasks, shape.ways, shape.per_class, channels, size, size), shape)


def conv4(size: int, channels: int = 1) -> Any:
    return convert_norm(Conv4(SampleSpec("image", (channels, size, size))))


def step(learner: MetaLearner, episodes: Episodes, chunk: int = CHUNK) -> Tensor:
    """As the training loop does it: a chunk of tasks at a time, gradients added up."""
    learner.zero_grad()
    learner.encoder.zero_grad()
    parts = episodes.chunks(chunk)
    return sum(learner.backward(part, RNG, len(part) / len(episodes))[0] * len(part) for part in parts) / len(episodes)


def agree(learner: MetaLearner, net: Any, episodes: Episodes, theirs: Callable[[Any, Episodes], Tensor]) -> None:
    """Loss and gradients are the same to 1e-10 in float64, before anything is timed."""
    learner, net = copy.deepcopy(learner).double(), copy.deepcopy(net).double()
    learner.encoder.double()  # a learner does not own it
    few = Episodes(
        episodes.support_x[:2].double(), episodes.support_y[:2], episodes.query_x[:2].double(), episodes.labels()[:2],
        episodes.ways,
    )  # fmt: skip
    net.zero_grad()
    loss, plain = step(learner, few), theirs(net, few)
    assert abs(float(loss) - float(plain)) < 1e-10
    head = getattr(learner, "head", None)
    pairs = zip(peers.shared(learner.encoder, head), peers.shared(net[0], net[1] if head else None), strict=True)
    for ours, other in pairs:
        assert (ours.grad - other.grad).abs().max() < 1e-10 * other.grad.abs().max().clamp(min=1)


def fixed_rates(net: Any) -> dict[str, Tensor]:
    return {name: torch.tensor(RATE, dtype=w.dtype) for name, w in net.named_parameters()}


def plain(first_order: bool = False) -> Callable[[Any, Episodes], Tensor]:
    return lambda net, episodes: peers.maml_step(net, episodes, fixed_rates(net), 1, first_order)


def by_higher(first_order: bool = False) -> Callable[[Any, Episodes], Tensor]:
    pytest.importorskip("higher")
    return lambda net, episodes: peers.higher_step(net, episodes, RATE, 1, first_order)


SMALL = (16, 28, 1, EpisodeShape(5, 1, 1))
LARGE = (2, 84, 3, EpisodeShape(5, 1, 15))


@pytest.mark.parametrize(
    ("kind", "setup", "least", "rounds"),
    [(MAML, SMALL, 1.45, 5), (FOMAML, SMALL, 1.8, 5), (MAML, LARGE, 1.35, 3)],
    ids=["maml-28", "fomaml-28", "maml-84"],
)
def test_maml(benchmark, kind, setup, least, rounds):
    tasks, size, channels, shape = setup
    learner = kind(conv4(size, channels), inner_lr=RATE, train_steps=1, head_ways=shape.ways)
    net, episodes = peers.plain_net(learner.encoder, learner.head), drawn(tasks, size, shape, channels)
    others = {"plain loop": plain(kind is FOMAML), "higher": by_higher(kind is FOMAML)}
    for other in others.values():
        agree(learner, net, episodes, other)
    work = f"{kind.__name__}, {size} px, 5-way 1-shot, q{shape.queries}, T{tasks}"
    each = {name: (lambda other=other: other(net, episodes)) for name, other in others.items()}
    compare(benchmark, work, lambda: step(learner, episodes), each, least=least, within=1.35, rounds=rounds)


@pytest.mark.parametrize(
    ("setup", "least", "rounds"), [(SMALL, 1.45, 5), (LARGE, 1.35, 3)], ids=["meta-sgd-28", "meta-sgd-84"]
)
def test_meta_sgd(benchmark, setup, least, rounds):
    tasks, size, channels, shape = setup
    learner = MetaSGD(conv4(size, channels), inner_lr=RATE, train_steps=1, head_ways=shape.ways)
    net, episodes = peers.plain_net(learner.encoder, learner.head), drawn(tasks, size, shape, channels)

    def theirs(net: Any, episodes: Episodes) -> Tensor:
        rates = {n: torch.full_like(w, RATE).requires_grad_() for n, w in net.named_parameters()}
        return peers.maml_step(net, episodes, rates)

    agree(learner, net, episodes, theirs)
    work = f"Meta-SGD, {size} px, 5-way 1-shot, q{shape.queries}, T{tasks}"
    others = {"plain loop": lambda: theirs(net, episodes)}
    compare(benchmark, work, lambda: step(learner, episodes), others, least=least, within=1.35, rounds=rounds)


def test_anil(benchmark):
    tasks, size, _, shape = SMALL
    learner = ANIL(conv4(size), inner_lr=RATE, train_steps=1, head_ways=shape.ways, train_norm="episode")
    net, episodes = peers.plain_net(learner.encoder, learner.head), drawn(tasks, size, shape)

    def theirs(net: Any, episodes: Episodes) -> Tensor:
        return peers.anil_step(net, episodes, fixed_rates(net[1]))

    agree(learner, net, episodes, theirs)
    others = {"plain loop": lambda: theirs(net, episodes)}
    compare(
        benchmark, "ANIL, 28 px, 5-way 1-shot, q1, T16", lambda: step(learner, episodes), others, least=1.3, within=1.35
    )


def test_protonet(benchmark):
    learner, shape = ProtoNet(conv4(28)), EpisodeShape(60, 5, 5)
    net, episodes = peers.plain_net(learner.encoder), drawn(1, 28, shape)
    agree(learner, net, episodes, peers.protonet_step)
    others = {"plain loop": lambda: peers.protonet_step(net, episodes)}
    work = "ProtoNet, 28 px, 60-way 5-shot, q5"
    compare(benchmark, work, lambda: step(learner, episodes), others, least=1.8, within=1.25)
