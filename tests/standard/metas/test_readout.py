"""The readers of frozen features against scikit-learn, and against formulas written out."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn import functional as F

from benchbench import Episodes, Rng
from benchbench_standard.metas.readout import Readout, logistic


class Identity(torch.nn.Module):
    """Features are the samples."""

    dim = 8

    def forward(self, x):
        return x


def tasks(support=40, seed=0):
    """Two tasks of three overlapping classes with uneven shots."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(2, 3, 8, generator=g, dtype=torch.float64)
    y = torch.randint(0, 3, (2, support), generator=g)
    y[:, :3] = torch.arange(3)
    at = torch.randint(0, 3, (2, 30), generator=g)
    x, queries = (
        torch.stack([c[labels] for c, labels in zip(centres, of, strict=True)])
        + torch.randn(2, of.shape[1], 8, generator=g, dtype=torch.float64)
        for of in (y, at)
    )
    return Episodes(x, y, queries, None, 3)


def logits(episodes, **settings):
    learner = Readout(Identity(), **settings).eval()
    with learner.precomputed():
        return learner.logits(episodes, Rng("test"))


def unit(x):
    return F.pad(F.normalize(x, dim=-1), (0, 1), value=1.0).numpy()


@pytest.mark.parametrize("support", [3, 40, 400])
@pytest.mark.parametrize("strength", [0.3, 1.0, 5.0])
def test_logistic_is_scikit_learns(support, strength):
    episodes = tasks(support)
    found = logits(episodes, by="logistic", strength=strength).softmax(-1)
    for t in range(2):
        peer = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-10, max_iter=5000)
        peer.fit(unit(episodes.support_x[t]), episodes.support_y[t].numpy())
        assert np.abs(found[t].numpy() - peer.predict_proba(unit(episodes.query_x[t]))).max() < 1e-4


def test_ridge_is_scikit_learns():
    episodes = tasks()
    found = logits(episodes, by="ridge", strength=2.0)
    for t in range(2):
        peer = Ridge(alpha=2.0, fit_intercept=False)
        peer.fit(unit(episodes.support_x[t]), F.one_hot(episodes.support_y[t], 3).double().numpy())
        assert np.allclose(found[t].numpy(), peer.predict(unit(episodes.query_x[t])))


def test_centred_takes_off_the_mean_of_the_support_set():
    episodes = tasks()
    found = logits(episodes, by="centred")
    for t in range(2):
        support, query = (x[t] - episodes.support_x[t].mean(0) for x in (episodes.support_x, episodes.query_x))
        means = torch.stack([support[episodes.support_y[t] == c].mean(0) for c in range(3)])
        cosines = F.cosine_similarity(query[:, None], means[None], dim=-1)
        assert torch.equal(found[t].argmax(-1), cosines.argmax(-1))
    shifted = Episodes(episodes.support_x + 7, episodes.support_y, episodes.query_x + 7, None, 3)
    assert torch.allclose(logits(shifted, by="centred"), found)
    assert not torch.allclose(logits(shifted, by="cosine"), logits(episodes, by="cosine"))


def test_the_logistic_solution_has_no_gradient():
    episodes = tasks(300)
    z, y = F.normalize(episodes.support_x, dim=-1), F.one_hot(episodes.support_y, 3).double()
    a = logistic(z, y, 1.0)
    gradient = z.mT @ (a + (z @ z.mT @ a).softmax(-1) - y)
    assert gradient.abs().max() < 1e-4
