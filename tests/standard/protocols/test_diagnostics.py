"""Measures of a representation, where their values are known."""

import math

import numpy as np
import pytest
import torch

from benchbench import Rng
from benchbench_standard.protocols.diagnostics import (
    alignment,
    diagnose,
    effective_rank,
    relations,
    uniformity,
    within_variance,
)
from benchbench_standard.protocols.robustness import LEVELS, Robustness, corrupted


def test_effective_rank_counts_equal_directions() -> None:
    assert effective_rank(torch.eye(4).repeat(3, 2).double()) == pytest.approx(4)
    assert effective_rank(torch.ones(5, 3).double()) == pytest.approx(1)
    # Singular values 3 and 1: shares 3/4 and 1/4.
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0])).double()) == pytest.approx(expected)


def test_alignment_and_uniformity_by_hand() -> None:
    # Lengths do not count. Class 0 at right angles (squared distance 2), class 1 equal (0).
    x = torch.tensor([[2.0, 0], [0, 5], [-1, 0], [-3, 0]]).double()
    assert alignment(x, torch.tensor([0, 0, 1, 1])) == pytest.approx(1)
    # Squared distances of the six pairs: 2, 4, 4, 2, 2, 0.
    expected = math.log((3 * math.exp(-4) + 2 * math.exp(-8) + 1) / 6)
    assert uniformity(x) == pytest.approx(expected)


def test_within_variance_by_hand() -> None:
    # Classes at 0 ± 1 and 10 ± 1: within 4, in all 4 + 4 * 25.
    x = torch.tensor([[-1.0], [1], [9], [11]]).double()
    assert within_variance(x, torch.tensor([0, 0, 1, 1])) == pytest.approx(4 / 104)
    assert within_variance(x, torch.tensor([0, 1, 1, 0])) == pytest.approx(1)


def test_many_images_are_thinned() -> None:
    x = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0))
    found = diagnose(x, torch.arange(5000) // 500)
    assert found["effective_rank"] == pytest.approx(4, abs=0.01)
    assert found["within_variance"] == pytest.approx(1, abs=0.02)


def unbiased(a: np.ndarray, b: np.ndarray) -> float:
    """HSIC of two Gram matrices (n, n) by Song et al. 2012, equation 5, as it is written there."""
    n, one = len(a), np.ones(len(a))
    a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
    middle = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
    return float(np.trace(a @ b) + middle - 2 / (n - 2) * (one @ a @ b @ one)) / (n * (n - 3))


def plain(x: np.ndarray, y: np.ndarray) -> float:
    """Linear CKA of features (n, dim) by Kornblith et al. 2019, section 3."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """CKA as tables make it of two records."""
    a, b = (np.array(relations(torch.from_numpy(features)), float) for features in (x, y))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_relations_hold_the_published_estimate_of_cka() -> None:
    state = np.random.RandomState(0)
    x = state.randn(100, 5) + 3
    y = np.tanh(x @ state.randn(5, 7)) + 0.3 * state.randn(100, 7)
    parts = [(x[p] @ x[p].T, y[p] @ y[p].T) for p in np.array_split(np.arange(100), 6)]
    xy, xx, yy = (np.mean([unbiased(p[i], p[j]) for p in parts]) for i, j in ((0, 1), (0, 0), (1, 1)))
    assert cosine(x, y) == pytest.approx(xy / np.sqrt(xx * yy), abs=2e-3)
    assert len(relations(torch.from_numpy(x))) == 4 * 17 * 16 / 2 + 2 * 16 * 15 / 2


def test_relations_agree_with_cka_of_many_images_and_call_nothing_alike_by_width() -> None:
    state = np.random.RandomState(1)
    x = state.randn(4000, 6)
    y = x @ state.randn(6, 9) + state.randn(4000, 9)
    assert cosine(x, y) == pytest.approx(plain(x, y), abs=0.05)
    # Neither turns nor scale nor place count.
    turn = np.linalg.qr(state.randn(6, 6))[0]
    assert cosine(x, 7 * x @ turn - 2) == pytest.approx(1, abs=1e-3)
    wide, other = state.randn(2, 256, 512)
    assert plain(wide, other) > 0.6
    assert abs(cosine(wide, other)) < 0.1


def test_relations_of_what_cannot_be_told_apart() -> None:
    assert set(relations(torch.full((40, 3), 0.1))) == {0}
    assert relations(torch.rand(3, 5)) == []
    assert len(relations(torch.rand(5, 5))) == 10


def test_corruptions_grow_with_severity_and_are_the_same_for_all() -> None:
    x = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for name in LEVELS:
        far = [float((corrupted(x, name, s, Rng("a", s)) - x).abs().mean()) for s in (1, 2, 3, 4, 5)]
        assert far == sorted(far)
        assert far[0] > 0
        assert torch.equal(corrupted(x, name, 3, Rng("a")), corrupted(x, name, 3, Rng("a")))
    flat = torch.full((1, 1, 9, 9), 0.5)
    assert torch.allclose(corrupted(flat, "blur", 5, Rng(0)), flat)
    noise = corrupted(torch.full((1, 1, 200, 200), 0.5), "noise", 5, Rng(0))
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    assert torch.allclose(
        corrupted(torch.tensor([[[[0.0, 1.0]]]]), "contrast", 5, Rng(0)), torch.tensor([0.425, 0.575])
    )


def test_robustness_counts_every_corrupted_version(pixels, target) -> None:
    scores = Robustness(severities=[1, 5]).evaluate(pixels, target, Rng(0))
    assert {name: s.denominator for name, s in scores.items()} == {
        "accuracy": 6, "clean": 1, "noise": 2, "blur": 2, "contrast": 2,
    }  # fmt: skip
    parts = np.sum([scores[name].values for name in LEVELS], axis=0)
    assert scores["accuracy"].values == parts.tolist()
    # By cosine of raw pixels, a loss of contrast tilts every image towards grey.
    assert np.mean(scores["contrast"].values) / 2 < np.mean(scores["clean"].values)
