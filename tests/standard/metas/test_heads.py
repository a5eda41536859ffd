"""Learners that fit a head on features, against transcriptions in NumPy and scikit-learn, in float64."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional as F

from benchbench import BenchbenchError, Rng
from benchbench_standard.metas import dkt
from benchbench_standard.metas.baseline_plus_plus import BaselinePlusPlus
from benchbench_standard.metas.matching_net import MatchingNet
from benchbench_standard.metas.protonet import ProtoNet
from benchbench_standard.metas.prototune import ProtoTune
from benchbench_standard.metas.r2d2 import R2D2, ridge
from benchbench_standard.metas.relation_net import RelationNet

pytestmark = pytest.mark.usefixtures("float64")
RNG = Rng("test")


def numpy_tasks(episodes):
    """Each task's support, labels and queries."""
    parts = (episodes.support_x, episodes.support_y, episodes.query_x)
    return zip(*(part.numpy() for part in parts), strict=True)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_matching_net_attends_to_support_samples(distance, raw, uneven):
    found = MatchingNet(raw, distance=distance).logits(uneven, RNG)
    for t, (x, y, queries) in enumerate(numpy_tasks(uneven)):
        for q, query in enumerate(queries):
            if distance == "cosine":
                scores = 10 * (x @ query) / np.linalg.norm(x, axis=1) / np.linalg.norm(query)
            else:
                scores = -((x - query) ** 2).sum(1)
            attention = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            expected = [attention[y == c].sum() for c in range(3)]
            np.testing.assert_allclose(found[t, q].exp(), expected, rtol=1e-9)


def test_relation_net_relates_sums_to_queries(raw, uneven):
    learner = RelationNet(raw, width=5).eval()
    norm = learner.relation[1]
    for n in (norm, learner.relation[4]):
        n.running_mean.normal_()
        n.running_var.uniform_(0.5, 2)
    state = {k: v.detach().numpy() for k, v in learner.relation.state_dict().items()}

    def block(x, i, n):
        x = x @ state[f"{i}.weight"].T
        x = (x - state[f"{n}.running_mean"]) / np.sqrt(state[f"{n}.running_var"] + norm.eps)
        return np.maximum(x * state[f"{n}.weight"] + state[f"{n}.bias"], 0)

    found, expected = learner.logits(uneven, RNG).detach(), np.empty((2, 5, 3))
    for t, (x, y, queries) in enumerate(numpy_tasks(uneven)):
        for q, query in enumerate(queries):
            for c in range(3):
                hidden = block(block(np.concatenate([x[y == c].sum(0), query]), 0, 1), 3, 4)
                hidden = np.maximum(state["6.weight"] @ hidden + state["6.bias"], 0)
                expected[t, q, c] = (state["8.weight"] @ hidden + state["8.bias"]).item()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    truth = np.eye(3)[uneven.query_y.numpy()]
    assert learner.loss(uneven, RNG)[0].item() == pytest.approx(((expit(expected) - truth) ** 2).mean())


@pytest.mark.parametrize(("samples", "dim"), [(6, 20), (20, 6)])
def test_ridge_regression_is_scikit_learns(samples, dim):
    g = torch.Generator().manual_seed(0)
    z, y = torch.randn(2, samples, dim, generator=g), torch.randn(2, samples, 3, generator=g)
    found = ridge(z, y, torch.tensor(0.7))
    for t in range(2):
        expected = Ridge(alpha=0.7, fit_intercept=False).fit(z[t].numpy(), y[t].numpy()).coef_.T
        np.testing.assert_allclose(found[t], expected, rtol=1e-7, atol=1e-9)


def check_slope(function, inputs):
    """Autograd against central differences along one random direction of each input."""
    slopes = torch.autograd.grad(function(), inputs)
    for value, slope in zip(inputs, slopes, strict=True):
        direction = torch.randn_like(value)
        ends = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                value += step * direction
            ends.append(function().item())
        with torch.no_grad():
            value += 1e-6 * direction
        assert (slope * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_r2d2_scores_and_gradient(raw, uneven):
    learner = R2D2(raw, initial_lambda=0.5, initial_scale=3.0)
    with torch.no_grad():
        learner.bias.fill_(0.2)
    for t, (x, y, queries) in enumerate(numpy_tasks(uneven)):
        # The official form: a column of ones, features and targets over the root of the six support samples.
        z, targets = np.hstack([x, np.ones((6, 1))]) / np.sqrt(6), np.eye(3)[y] / np.sqrt(6)
        w = z.T @ np.linalg.inv(z @ z.T + 0.5 * np.eye(6)) @ targets
        expected = 3 * (queries @ w[:4] + w[4]) + 0.2
        np.testing.assert_allclose(learner.logits(uneven, RNG)[t].detach(), expected, rtol=1e-9)
    support = uneven.support_x.clone().requires_grad_()
    moving = replace(uneven, support_x=support)
    weights = torch.randn(2, 5, 3)
    check_slope(
        lambda: (weights * learner.logits(moving, RNG)).sum(),
        [support, learner.log_lambda, learner.scale, learner.bias],
    )


def test_prototune_begins_as_prototypes(raw, uneven):
    start = ProtoTune(raw, epochs=0).eval().logits(uneven, RNG)
    protonet = ProtoNet(raw).eval().logits(uneven, RNG)
    torch.testing.assert_close(start.softmax(-1), protonet.softmax(-1))
    # In training it is the same head, through which the encoder learns.
    torch.testing.assert_close(ProtoTune(raw).train().loss(uneven, RNG)[0], ProtoNet(raw).loss(uneven, RNG)[0])


def test_prototune_takes_batches_of_as_many_samples_as_ways(raw, uneven):
    default, three, five = (
        ProtoTune(raw, lr=0.05, epochs=4, **size).eval().logits(uneven, Rng("same"))
        for size in ({}, {"batch": 3}, {"batch": 5})
    )
    assert torch.equal(default, three)
    assert not torch.allclose(default, five)


def test_prototune_trains_a_linear_layer(raw, uneven):
    learner = ProtoTune(raw, lr=0.05, epochs=4, batch=4).eval()
    found = learner.logits(uneven.withheld(), Rng("same"))
    order = Rng("same").choices(6, 6, 4)
    for t in range(2):
        x, y = uneven.support_x[t], uneven.support_y[t]
        means = torch.stack([x[y == c].mean(0) for c in range(3)])
        linear = nn.Linear(4, 3)
        with torch.no_grad():
            linear.weight.copy_(2 * means)
            linear.bias.copy_(-(means**2).sum(1))
        optimiser = torch.optim.Adam(linear.parameters(), 0.05)
        for epoch in order:
            for batch in (epoch[:4], epoch[4:]):
                optimiser.zero_grad()
                F.cross_entropy(linear(x[batch]), y[batch]).backward()
                optimiser.step()
        torch.testing.assert_close(found[t], linear(uneven.query_x[t]).detach())


def test_baseline_plus_plus_trains_cosines(raw, uneven):
    learner = BaselinePlusPlus(raw, epochs=3, lr=0.3).eval()
    found = learner.logits(uneven.withheld(), Rng("same"))
    drawn = nn.init.kaiming_uniform_(torch.empty(3, 4), a=5**0.5, generator=Rng("same").cpu)
    order = Rng("same").child("order").choices(6, 6, 3)
    for t in range(2):
        x, y = uneven.support_x[t], uneven.support_y[t]
        w, velocity = drawn.clone(), None
        for epoch in order:
            for batch in (epoch[:4], epoch[4:]):
                held = w.clone().requires_grad_()
                scores = 2 * F.cosine_similarity(x[batch].unsqueeze(1), held, dim=-1)
                (slope,) = torch.autograd.grad(F.cross_entropy(scores, y[batch]), held)
                slope = slope + 1e-3 * w
                velocity = slope if velocity is None else 0.9 * velocity + 0.1 * slope
                w = w - 0.3 * velocity
        expected = 2 * F.cosine_similarity(uneven.query_x[t].unsqueeze(1), w, dim=-1)
        torch.testing.assert_close(found[t], expected)


@pytest.mark.parametrize("kernel", ["cosine", "linear", "rbf"])
def test_dkt_is_scikit_learns_gaussian_process(kernel, raw, uneven):
    pytest.importorskip("gpytorch")
    learner = dkt.DKT(raw, kernel=kernel, initial_noise=0.3).eval()
    learner.kernel.outputscale, learner.mean.constant.data = 1.7, torch.tensor(0.4)
    shape = RBF(2.0) if kernel == "rbf" else DotProduct(0.0, "fixed")
    found = learner.logits(uneven.withheld(), RNG).detach()
    loss = 0.0
    for t, (x, y, queries) in enumerate(numpy_tasks(uneven)):
        if kernel == "cosine":
            x, queries = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, queries))
        both = np.concatenate([x, queries])
        labels = np.concatenate([y, uneven.query_y[t].numpy()])
        for c in range(3):
            process = GaussianProcessRegressor(ConstantKernel(1.7) * shape, alpha=0.3, optimizer=None)
            process.fit(x, 2.0 * (y == c) - 1 - 0.4)
            mean, std = process.predict(queries, return_std=True)
            expected = stats.norm.logcdf((mean + 0.4) / np.sqrt(std**2 + 0.3))
            np.testing.assert_allclose(found[t, :, c], expected, rtol=1e-5, atol=1e-7)
            covariance = process.kernel_(both) + 0.3 * np.eye(11)
            loss -= stats.multivariate_normal(np.full(11, 0.4), covariance).logpdf(2.0 * (labels == c) - 1) / 11 / 6
    assert learner.train().loss(uneven, RNG)[0].item() == pytest.approx(loss, rel=1e-6)


def test_dkt_says_what_it_needs(monkeypatch, raw):
    monkeypatch.setitem(sys.modules, "gpytorch", None)
    with pytest.raises(BenchbenchError, match=r"install benchbench-suite\[dkt\]"):
        dkt.DKT(raw)
