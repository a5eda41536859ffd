"""Steps of plain and metric training on every encoder, and in bfloat16, against the same written plainly; see `ratios`.

The peer's encoder is the same module with torch's own batch norms, as a user would write the loop around it.
"""

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from benchbench import Backbone, Episodes, EpisodeShape, MetaLearner, Rng, SampleSpec, convert_norm
from benchbench.encoding.precision import encoding_in
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.resnet12 import ResNet12
from benchbench_standard.backbones.resnet18 import ResNet18
from benchbench_standard.backbones.vit import ViT
from benchbench_standard.metas.protonet import ProtoNet
from benchbench_standard.metas.r2d2 import R2D2
from benchbench_standard.pretexts.contrastive import Contrastive, nt_xent
from tests.benchmarks import peers
from tests.benchmarks.ratios import compare
from tests.benchmarks.test_augmentation import COLOUR, GREY, SCALE, lightlys, pictures
from tests.benchmarks.test_inner_loops import agree, conv4, drawn, step

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(3600),
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.benchmark(timer=time.process_time),
]
#: Encoder, the side of its images and the shape of an episode.
ENCODERS: dict[str, tuple[type[Backbone], int, EpisodeShape]] = {
    "Conv-4": (Conv4, 28, EpisodeShape(20, 1, 5)),
    "ResNet-12": (ResNet12, 32, EpisodeShape(5, 1, 15)),
    "ResNet-18": (ResNet18, 32, EpisodeShape(5, 1, 15)),
    "ViT": (ViT, 32, EpisodeShape(5, 1, 15)),
}


def said(name: str) -> str:
    _, size, shape = ENCODERS[name]
    return f"{name}, {size} px, {shape.ways}-way {shape.shots}-shot, q{shape.queries}"


def encoded(name: str) -> tuple[Any, Any, Episodes]:
    """An encoder, its copy with torch's own norms, and an episode."""
    kind, size, shape = ENCODERS[name]
    theirs = kind(SampleSpec("image", (3, size, size)))
    return convert_norm(copy.deepcopy(theirs)), theirs, drawn(1, size, shape, 3)


def same(ours: Tensor, theirs: Tensor, encoder: Any, other: Any) -> None:
    """Loss and gradients are the same to 1e-9 in float64: what deep encoders leave of sums in another order."""
    assert abs(float(ours) - float(theirs)) < 1e-9
    for a, b in zip(encoder.parameters(), other.parameters(), strict=True):
        assert (a.grad - b.grad).abs().max() < 1e-9 * b.grad.abs().max().clamp(min=1)


@pytest.mark.parametrize("name", ["ResNet-12", "ResNet-18", "ViT"])
def test_protonet_on(benchmark: Any, name: str) -> None:
    encoder, net, episodes = encoded(name)
    few = Episodes(episodes.support_x.double(), episodes.support_y, episodes.query_x.double(), episodes.labels(), 5)
    mine, other = copy.deepcopy(encoder).double(), copy.deepcopy(net).double()
    same(step(ProtoNet(mine), few), peers.protonet_step(other, few), mine, other)
    learner = ProtoNet(encoder)

    def theirs() -> Tensor:
        net.zero_grad()
        return peers.protonet_step(net, episodes)

    compare(benchmark, f"ProtoNet, {said(name)}", lambda: step(learner, episodes), {"plain loop": theirs}, rounds=3)


def test_r2d2(benchmark: Any) -> None:
    learner = R2D2(conv4(28), train_norm="episode")
    net, episodes = peers.plain_net(learner.encoder), drawn(8, 28, EpisodeShape(5, 1, 5))

    def theirs(net: Any, episodes: Episodes) -> Tensor:
        strength, scale, bias = (w.detach().to(episodes.support_x.dtype) for w in learner.parameters())
        return peers.r2d2_step(net, episodes, strength.exp(), scale, bias)

    agree(learner, net, episodes, theirs)
    others = {"plain loop": lambda: theirs(net, episodes)}
    compare(
        benchmark, "R2D2, 28 px, 5-way 1-shot, q5, T8", lambda: step(learner, episodes), others, least=1.3, within=1.25
    )


def test_simclr(benchmark: Any) -> None:
    """The whole step, views and all: lightly's transforms of single images and its loss around the same encoder."""
    loss_of = pytest.importorskip("lightly.loss").NTXentLoss(temperature=0.1)
    z = torch.randn(64, 32, dtype=torch.float64)
    assert abs(float(nt_xent(z, 0.1)) - float(loss_of(*z.chunk(2)))) < 1e-10
    from torchvision.transforms.functional import to_pil_image

    sample = SampleSpec("image", (3, 32, 32))
    theirs = Conv4(sample)
    encoder = convert_norm(copy.deepcopy(theirs))
    views = {"min_scale": SCALE[0], "max_scale": SCALE[1], "flips": True, "colour": COLOUR, "grey": GREY, "erasing": 0}
    pretext = Contrastive(encoder, sample, temperature=0.1, preset="simclr", **views)
    head, transform, rng = copy.deepcopy(pretext.head), lightlys(), Rng("benchmark")
    x = pictures(64)
    images = [to_pil_image(image) for image in x]

    def ours() -> None:
        pretext.zero_grad()
        encoder.zero_grad()
        pretext.task_loss(encoder, x, rng.child("views")).backward()

    def lightly() -> None:
        head.zero_grad()
        theirs.zero_grad()
        pairs = zip(*map(transform, images), strict=True)
        loss_of(*(head(theirs(torch.stack(view))) for view in pairs)).backward()

    compare(benchmark, "SimCLR, Conv-4, 64 images of 32 px, views and all", ours, {"lightly": lightly}, within=1.25)


def in_bfloat16(learner: MetaLearner, episodes: Episodes) -> Callable[[], Tensor]:
    def work() -> Tensor:
        with encoding_in("bfloat16"):
            return step(learner, episodes)

    return work


@pytest.mark.parametrize("name", ENCODERS)
def test_in_bfloat16(benchmark: Any, name: str) -> None:
    encoder, _, episodes = encoded(name)
    learner = ProtoNet(encoder)
    whole, half = float(step(learner, episodes)), float(in_bfloat16(learner, episodes)())
    assert abs(whole - half) < 0.05 * whole
    work, others = f"ProtoNet in bfloat16, {said(name)}", {"float32": lambda: step(learner, episodes)}
    compare(benchmark, work, in_bfloat16(learner, episodes), others, rounds=3, dtype=torch.bfloat16)


def test_r2d2_in_bfloat16(benchmark: Any) -> None:
    learner, episodes = R2D2(conv4(28), train_norm="episode"), drawn(8, 28, EpisodeShape(5, 1, 5))
    work, others = "R2D2 in bfloat16, 28 px, 5-way 1-shot, q5, T8", {"float32": lambda: step(learner, episodes)}
    compare(benchmark, work, in_bfloat16(learner, episodes), others, dtype=torch.bfloat16)
