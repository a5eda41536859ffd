"""The SVM layer against scikit-learn's solver, its own optimality conditions and finite differences."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.svm import LinearSVC

from benchbench import Episodes, EpisodeShape, Rng, SampleSpec
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.metaopt_net import MetaOptNet
from benchbench_standard.metas.svm import crammer_singer

pytestmark = pytest.mark.usefixtures("float64")


def problem(ways, shots, dim, count=2):
    """Classes that overlap, so that some samples end at the bounds."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(count, ways, 1, dim, generator=g) + 0.8 * torch.randn(count, ways, shots, dim, generator=g)
    return x.flatten(1, 2), torch.arange(ways).repeat_interleave(shots).expand(count, -1)


@pytest.mark.parametrize(("ways", "shots", "dim"), [(5, 1, 64), (5, 5, 16), (3, 12, 4), (20, 2, 10)])
@pytest.mark.parametrize("cost", [0.1, 1.0])
def test_weights_are_scikit_learns(ways, shots, dim, cost):
    x, y = problem(ways, shots, dim)
    dual = crammer_singer(x @ x.mT, y, ways, cost)
    for t in range(2):
        svm = LinearSVC(
            multi_class="crammer_singer", C=cost, fit_intercept=False, tol=1e-7, max_iter=200_000, random_state=0
        )
        svm.fit(x[t].numpy(), y[t].numpy())
        # A sum over classes costs nothing: only differences of weights do.
        found = (x[t].mT @ dual[t]).mT.numpy()
        np.testing.assert_allclose(found - found.mean(0), svm.coef_ - svm.coef_.mean(0), atol=1e-4)


def test_the_dual_is_feasible_and_without_gap():
    x, y = problem(5, 4, 8)
    a = crammer_singer(x @ x.mT, y, 5, 0.1)
    onehot = torch.nn.functional.one_hot(y, 5)
    assert a.sum(-1).abs().max() < 1e-9
    assert (0.1 * onehot - a).min() > -1e-9
    w = x.mT @ a  # (2, 8, 5)
    scores = x @ w
    margins = 1 - onehot + scores - scores.gather(2, y.unsqueeze(-1))
    primal = 0.5 * w.square().sum((1, 2)) + 0.1 * margins.amax(-1).sum(1)
    dual = (onehot * a).sum((1, 2)) - 0.5 * w.square().sum((1, 2))
    torch.testing.assert_close(primal, dual, rtol=1e-6, atol=1e-9)


def test_scores_are_the_scaled_machines():
    """Those of scikit-learn's machine, times the factor, up to a sum over classes, which a softmax does not see."""
    x, y = problem(5, 3, 8)
    queries = torch.randn(2, 6, 8)
    learner = MetaOptNet(Pixels(SampleSpec("vector", (8,))), initial_scale=7.0)
    found = learner.logits(Episodes(x, y, queries, None, 5), Rng(0)).softmax(-1).detach()
    for t in range(2):
        svm = LinearSVC(multi_class="crammer_singer", C=0.1, fit_intercept=False, tol=1e-7, max_iter=200_000)
        scores = svm.fit(x[t].numpy(), y[t].numpy()).decision_function(queries[t].numpy())
        np.testing.assert_allclose(found[t], softmax(7 * scores, -1), atol=1e-4)


@pytest.mark.parametrize(("ways", "shots", "dim"), [(5, 1, 8), (3, 6, 4)])
def test_gradient_against_finite_differences(ways, shots, dim):
    x, y = problem(ways, shots, dim)
    queries = torch.randn(2, 4, dim)
    episodes = Episodes(x.clone().requires_grad_(), y, queries.requires_grad_(), None, ways)
    learner = MetaOptNet(Pixels(SampleSpec("vector", (dim,))), cost=0.3)
    weights = torch.randn(2, 4, ways)

    def value():
        return (weights * learner.logits(episodes, Rng(0))).sum()

    inputs = [episodes.support_x, episodes.query_x, learner.scale]
    slopes = torch.autograd.grad(value(), inputs)
    for moving, slope in zip(inputs, slopes, strict=True):
        direction = torch.randn_like(moving)
        ends = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                moving += step * direction
            ends.append(value().item())
        with torch.no_grad():
            moving += 1e-5 * direction
        assert (slope * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-7)


def test_separated_classes_are_told_apart():
    g = torch.Generator().manual_seed(1)
    centres = 5 * torch.eye(6)[:4]
    x = centres.view(1, 4, 1, 6) + 0.3 * torch.randn(3, 4, 8, 6, generator=g)
    episodes = Episodes.from_classes(x, EpisodeShape(4, 3, 5))
    learner = MetaOptNet(Pixels(SampleSpec("vector", (6,))))
    assert torch.equal(learner.logits(episodes, Rng(0)).argmax(-1), episodes.query_y)
