"""Measures of a representation, where their values are known."""

import math

import numpy as np
import pytest
import torch

from benchbench import Rng
from benchbench_standard.protocols.diagnostics import alignment, diagnose, effective_rank, uniformity, within_variance
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
