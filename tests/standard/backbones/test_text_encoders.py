"""What every encoder of tokens must do, and what the trainable ones compute."""

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchbench import HIDDEN, BenchbenchError, Episodes, EpisodeShape, Rng, SampleSpec, Vocabulary
from benchbench_standard.backbones.bag import Bag
from benchbench_standard.backbones.ngrams import NGrams
from benchbench_standard.backbones.text_transformer import TextTransformer, sinusoids
from benchbench_standard.backbones.words import Words
from benchbench_standard.metas.maml import MAML

TOKENS, LENGTH = 12, 7
VOCABULARY = Vocabulary(
    ["", "", *(f"w{i}" for i in range(TOKENS - 2))], [0, 0, *(1 / (i + 1) for i in range(TOKENS - 2))]
)
CHARACTERS = Vocabulary(["", "", *"abcdefghi "], [0, 0, *(1 / (i + 1) for i in range(TOKENS - 2))])
SPEC = SampleSpec("text", (LENGTH,), "int64", VOCABULARY)
TRAINED = {
    "bag": lambda: Bag(SPEC, width=6),
    "bag-idf": lambda: Bag(SPEC, width=6, weights="idf", depth=1),
    "transformer": lambda: TextTransformer(SPEC, width=8, depth=2, heads=2),
    "transformer-sines": lambda: TextTransformer(SPEC, width=8, depth=1, heads=2, places="sinusoidal"),
}
MAKERS = {
    "words": lambda: Words(SPEC),
    "ngrams": lambda: NGrams(SPEC, width=64),
    "ngrams-hashed": lambda: NGrams(SPEC, width=16),
    "ngrams-characters": lambda: NGrams(SampleSpec("text", (LENGTH,), "int64", CHARACTERS), width=64),
    **TRAINED,
}
#: Two texts, the second the shorter; every id is in one of them.
X = torch.tensor([[2, 5, 3, 11, 2, 9, 10], [4, 6, 7, 8, 0, 0, 0]])


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def moved(encoder):
    """The encoder with weights of ordinary size, so that nothing is small by chance of initialisation."""
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
    return encoder


@pytest.mark.parametrize("name", MAKERS)
def test_more_padding_changes_nothing(name):
    encoder = moved(MAKERS[name]())
    longer = F.pad(X, (0, 5))
    torch.testing.assert_close(encoder(longer), encoder(X), rtol=1e-12, atol=1e-12)
    short = X[1:, :4]
    torch.testing.assert_close(encoder(short), encoder(X)[1:], rtol=1e-12, atol=1e-12)
    if "positions" in encoder.provides:
        found = encoder.positions(longer)
        torch.testing.assert_close(found[:, :LENGTH][X > 0], encoder.positions(X)[X > 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_texts_of_nothing_or_of_unknown_tokens_are_finite(name):
    encoder = moved(MAKERS[name]())
    nothing = torch.zeros(2, LENGTH, dtype=torch.int64)
    for x in (nothing, nothing + HIDDEN, torch.cat([X, nothing])):
        features = encoder(x)
        assert features.isfinite().all()
        assert features.shape == (len(x), encoder.dim)
        for weight in encoder.parameters():
            weight.grad = None
        if encoder.trainable:
            features.square().sum().backward()
            assert all(w.grad is None or w.grad.isfinite().all() for w in encoder.parameters())
    torch.testing.assert_close(encoder(torch.cat([X, nothing]))[:2], encoder(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_every_id_up_to_the_last_counts(name):
    """Each token, in place of another, gives other features."""
    encoder = moved(MAKERS[name]())
    tokens = TOKENS - 1 if "characters" in name else TOKENS
    seen = encoder(torch.stack([torch.tensor([i, 2, 3]) for i in range(2, tokens)]))
    distances = torch.cdist(seen, seen) + torch.eye(len(seen))
    assert distances.min() > 1e-6
    with pytest.raises((IndexError, RuntimeError)):
        encoder(torch.tensor([[TOKENS, 2, 3]]))


@pytest.mark.parametrize("name", TRAINED)
def test_derivatives_to_second_order(name):
    encoder = moved(MAKERS[name]())
    names = [n for n, _ in encoder.named_parameters()]
    weights = [w.detach().clone().requires_grad_() for w in encoder.parameters()]

    def features(*values):
        return functional_call(encoder, dict(zip(names, values, strict=True)), (X,)).tanh()

    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradcheck(features, weights, fast_mode=True)
        assert torch.autograd.gradgradcheck(features, weights, fast_mode=True)


@pytest.mark.parametrize("name", TRAINED)
def test_maml_trains_through_it_to_second_order(name):
    """The derivative of the loss after adaptation, along a random direction, against a finite difference."""
    encoder = moved(MAKERS[name]())
    learner = MAML(encoder, inner_lr=0.2, train_steps=2, test_steps=2)
    with torch.no_grad():
        learner.head.weight.normal_()
    x = torch.randint(1, TOKENS, (2, 3, 4, LENGTH), generator=torch.Generator().manual_seed(1))
    x[..., 4:] = 0
    episodes = Episodes.from_classes(x, EpisodeShape(3, 2, 2))
    loss, _ = learner.loss(episodes, Rng("test"))
    weights = dict(learner.named_parameters())
    gradients = torch.autograd.grad(loss, [*weights.values()])
    directions = [torch.randn_like(w) for w in weights.values()]
    along = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    ends = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for weight, direction in zip(weights.values(), directions, strict=True):
                weight.add_(direction, alpha=step)
        ends.append(learner.loss(episodes, Rng("test"))[0].item())
    slope = (ends[0] - ends[1]) / 2e-5
    assert float(along) == pytest.approx(slope, rel=1e-4, abs=1e-7)
    assert abs(slope) > 1e-3


def test_bag_is_the_weighted_mean():
    """By hand: layer norm of (w . e) / sum w over known tokens."""
    encoder = moved(Bag(SPEC, width=6, weights="idf"))
    table, norm = encoder.embed.weight, encoder.layers[0]
    n = 1 / min(s for s in VOCABULARY.shares if s)
    idf = np.log((1 + n) / (1 + n * np.array(VOCABULARY.shares))) + 1
    text = [4, HIDDEN, 6, 6, 0, 0, 0]
    known = [4, 6, 6]
    mean = sum(idf[i] * table[i] for i in known) / sum(idf[i] for i in known)
    torch.testing.assert_close(encoder(torch.tensor([text]))[0], norm(mean))
    torch.testing.assert_close(Bag(SPEC, width=6).weights, torch.tensor([0.0, 0.0, *[1.0] * (TOKENS - 2)]))


def test_a_position_of_a_bag_is_told_by_the_others():
    encoder = moved(Bag(SPEC, width=6))
    other = X.clone()
    other[0, 2] = 8
    here, there = encoder.positions(X), encoder.positions(other)
    torch.testing.assert_close(here[0, 2], there[0, 2])
    assert not torch.allclose(here[0, 1], there[0, 1])
    torch.testing.assert_close(here[1, 0], encoder(torch.tensor([[6, 7, 8]]))[0])
    alone = encoder.positions(torch.tensor([[5, 0, 0]]))
    torch.testing.assert_close(alone[0, 0], encoder(torch.zeros(1, 3, dtype=torch.int64))[0])


def test_a_transformer_knows_order_and_a_bag_does_not():
    swapped = X[:, [1, 0, 2, 3, 4, 5, 6]]
    bag, transformer = moved(MAKERS["bag"]()), moved(MAKERS["transformer"]())
    torch.testing.assert_close(bag(swapped), bag(X))
    assert (transformer(swapped) - transformer(X)).abs().max() > 1e-3


def test_transformer_features_are_the_mean_over_tokens():
    encoder = moved(MAKERS["transformer"]())
    expected = encoder.positions(X)[1, :4].mean(0)
    torch.testing.assert_close(encoder(X)[1], expected)


def test_sinusoids():
    found = sinusoids(4, 6)
    for place in range(4):
        for i in range(3):
            angle = place / 10_000 ** (2 * i / 6)
            assert found[place, 2 * i].item() == pytest.approx(np.sin(angle))
            assert found[place, 2 * i + 1].item() == pytest.approx(np.cos(angle))


def test_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(BenchbenchError, match="width 10: expected an even multiple of its 4 heads"):
        TextTransformer(SPEC, width=10)
    with pytest.raises(BenchbenchError, match="expected samples of tokens"):
        Bag(SampleSpec("text", (3,)))
