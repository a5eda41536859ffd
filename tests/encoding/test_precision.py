"""Encoders in half precision: everything around them stays float32, and gradients through inner loops stay near."""

import copy
from typing import Any

import pytest
import torch

from benchbench import Backbone, Episodes, EpisodeShape, Rng, SampleSpec, encode
from benchbench.components.registry import Offer, offers
from benchbench.encoding.precision import encoding_in
from benchbench.encoding.task_norm import TaskNorm
from benchbench.testing.backbones import batch, one
from benchbench.testing.subjects import Subject
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.metas.maml import MAML

#: Dropout would draw other masks for each precision.
SMALL: dict[str, dict[str, Any]] = {"resnet12": {"width": 8}, "vit": {"depth": 2}, "r2d2-net": {"dropout": 0.0}}
#: How near the meta-gradient's direction stays, as a cosine: of a deep network that has just begun, one inner step of
#: 0.01 is a large one, and amplifies rounding. Without inner steps it is 0.94 for both of them.
NEAR = {"resnet12": 0.8, "resnet18": 0.5}
MOVED = [o for o in offers("backbone") if o.distribution == "benchbench-suite" and o.load().trainable]


def clustered(sample: SampleSpec, encoder: Backbone) -> Episodes:
    """Four tasks whose classes differ."""
    shape = EpisodeShape(4, 2, 3)
    count = shape.ways * shape.per_class
    x = batch(sample, count, 4)
    if not sample.vocabulary:
        centres = batch(sample, shape.ways, 4).repeat_interleave(shape.per_class, 1).roll(1, 0)
        x = 0.7 * centres + 0.3 * x
    return Episodes.from_classes(x.unflatten(1, (shape.ways, shape.per_class)), shape)


def meta_gradient(learner: MAML, episodes: Episodes, precision: str) -> torch.Tensor:
    learner.zero_grad()
    learner.encoder.zero_grad()
    with encoding_in(precision):
        learner.train().backward(episodes, Rng(0))
    return torch.cat([w.grad.flatten() for w in learner.encoder.parameters() if w.grad is not None])


@pytest.mark.parametrize("offer", [pytest.param(o, id=o.name) for o in MOVED])
def test_meta_gradients_of_maml_are_near_those_of_float32(offer: Offer) -> None:
    """Their direction, at one small inner step: the longer an inner loop, the more it amplifies rounding."""
    torch.manual_seed(0)
    encoder, sample = one(Subject.installed(offer, SMALL.get(offer.name, {})))
    if not any(w.requires_grad for w in encoder.parameters()):
        pytest.skip("nothing of it moves")
    learner = MAML(encoder, inner_lr=0.01, train_steps=1)
    episodes = clustered(sample, encoder)
    wanted, found = (meta_gradient(learner, episodes, p) for p in ("float32", "bfloat16"))
    assert found.dtype == torch.float32
    assert torch.cosine_similarity(wanted, found, 0) > NEAR.get(offer.name, 0.95)


class Watched(torch.nn.Module):
    """What a layer gets and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.dtype)
        return x


class Two(Backbone):
    """A convolution and what comes out of it, by two ways."""

    dim = 4

    def __init__(self, sample: SampleSpec):
        super().__init__()
        self.conv, self.watched = torch.nn.Conv2d(1, 4, 3), Watched()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.feature_maps(x)[1].mean((2, 3))

    def feature_maps(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        return {1: self.watched(self.conv(x))}


class Deeper(Two):
    """One that builds on another's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize("kind", [Two, Deeper])
def test_only_what_is_inside_an_encoder_is_lowered(kind: type[Two]) -> None:
    encoder, x = kind(SampleSpec("image", (1, 8, 8))), torch.rand(2, 1, 8, 8)
    with encoding_in("bfloat16"):
        calls = [encoder(x), encoder.feature_maps(x)[1], copy.deepcopy(encoder)(x), x.flatten(1) @ x.flatten(1).T]
    assert {call.dtype for call in calls} == {torch.float32}
    assert encoder.watched.seen == [torch.bfloat16] * 2
    encoder(x)
    assert encoder.watched.seen[2:] == [torch.float32]


def test_a_copy_computes_with_its_own_weights() -> None:
    encoder, x = Two(SampleSpec("image", (1, 8, 8))), torch.rand(2, 1, 8, 8)
    other = copy.deepcopy(encoder)
    torch.nn.init.zeros_(other.conv.weight)
    torch.nn.init.ones_(other.conv.bias)
    with encoding_in("bfloat16"):
        assert torch.equal(other(x), torch.ones(2, 4))


@pytest.mark.parametrize("mode", ["call", "episode", "support"])
def test_statistics_of_norms_are_those_of_float32(mode: Any) -> None:
    """Of inputs that bfloat16 holds exactly, so that nothing but the norm can round."""
    norm = TaskNorm(4)
    x = (100 + torch.randn(600, 4, 6, 6)).bfloat16()

    class Normed(Backbone):
        dim = 4

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.lower = norm, False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x.bfloat16() if self.lower else x).float().flatten(1)[:, :4]

    encoder = Normed()
    wanted = encode(encoder, x.float().unsqueeze(0), support=300, norm=mode)
    encoder.lower = True
    found = encode(encoder, x.float().unsqueeze(0), support=300, norm=mode)
    # What comes out is rounded once: 0.4 % of values up to 4.
    assert (found - wanted).abs().max() < 0.02


def test_the_flags_of_a_device_are_restored() -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    with encoding_in("tf32"):
        assert flags() == (True, True)
        with encoding_in("float32"):
            assert flags() == (False, False)
        assert flags() == (True, True)
    assert flags() == before


def test_conv4s_own_path_is_lowered_too() -> None:
    encoder = Conv4(SampleSpec("image", (1, 16, 16)), width=4)
    params = {name: w.expand(2, *w.shape) for name, w in encoder.named_parameters()}
    x = torch.rand(2, 3, 1, 16, 16)
    full = encode(encoder, x, params=params, norm="call")
    with encoding_in("bfloat16"):
        lower = encode(encoder, x, params=params, norm="call")
    assert lower.dtype == torch.float32
    assert 0 < (lower - full).abs().max() < 0.2
