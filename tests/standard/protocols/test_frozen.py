"""Classifiers on frozen features against independent implementations on the same features."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from benchbench import Rng, Target, Trained
from benchbench.planning.presets import load_protocol
from benchbench_standard.protocols.knn import KNN
from benchbench_standard.protocols.linear_probe import LinearProbe
from benchbench_standard.protocols.logistic import Logistic
from benchbench_standard.protocols.nearest_centroid import NearestCentroid
from benchbench_standard.protocols.parts import Features
from benchbench_standard.protocols.ridge import RidgeRegression


@pytest.mark.parametrize(("k", "temperature"), [(200, 0.1), (20, 0.07), (1, 0.5), (10_000, 0.1)])
def test_knn_is_the_published_formula_and_scikit_learns(pixels, target, vectors, k, temperature) -> None:
    found = KNN(k=k, temperature=temperature).evaluate(pixels, target, Rng(0))["accuracy"].values
    fit_x, fit_y, _, _, test_x, test_y = vectors
    fit_x, test_x = normalize(fit_x), normalize(test_x)
    # Wu et al. 2018, section 3.4, image by image.
    expected = []
    for x, y in zip(test_x, test_y, strict=True):
        cosine = fit_x @ x
        nearest = np.argsort(-cosine)[:k]
        votes = [np.exp(cosine[nearest] / temperature)[fit_y[nearest] == c].sum() for c in range(10)]
        expected.append(int(np.argmax(votes) == y))
    assert np.mean(np.array(found) == expected) > 0.998, "but for ties in the last digit"
    library = KNeighborsClassifier(
        min(k, len(fit_x)), metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / temperature)
    ).fit(fit_x, fit_y)
    assert np.mean(library.predict(test_x) == test_y) == pytest.approx(np.mean(found), abs=0.003)


def test_presets_are_those_of_lightly_and_solo_learn() -> None:
    settings = [load_protocol(f"knn-{name}", {}).settings for name in ("lightly", "solo-learn")]
    assert [(s["k"], s["temperature"]) for s in settings] == [(200, 0.1), (20, 0.07)]


def test_logistic_is_scikit_learns_chosen_on_the_select_part(pixels, target, vectors) -> None:
    fit_x, fit_y, select_x, select_y, test_x, test_y = vectors
    scaler = StandardScaler().fit(fit_x)
    models = [LogisticRegression(C=c, max_iter=2000).fit(scaler.transform(fit_x), fit_y) for c in (1e-4, 0.1)]
    scores = [m.score(scaler.transform(select_x), select_y) for m in models]
    assert scores[1] > scores[0], "or the choice would not show"
    found = Logistic(c=[1e-4, 0.1]).evaluate(pixels, target, Rng(0))["accuracy"].values
    assert np.mean(np.array(found) == (models[1].predict(scaler.transform(test_x)) == test_y)) > 0.997


def test_ridge_is_its_closed_form(pixels, target, vectors) -> None:
    fit_x, fit_y, _, _, test_x, test_y = vectors
    mean = fit_x.mean(0)
    x, goal = fit_x - mean, 2.0 * np.eye(10)[fit_y] - 1
    weight = np.linalg.solve(x.T @ x + 3 * np.eye(64), x.T @ (goal - goal.mean(0)))
    expected = ((test_x - mean) @ weight + goal.mean(0)).argmax(1) == test_y
    found = RidgeRegression(alpha=[3.0], scale="none").evaluate(pixels, target, Rng(0))["accuracy"].values
    assert np.array_equal(found, expected)


def test_a_separable_linear_probe_reaches_100_percent() -> None:
    state = np.random.RandomState(0)
    y = np.arange(300) % 3
    x = torch.from_numpy(np.eye(3)[y] @ state.randn(3, 16) * 3 + 0.1 * state.randn(300, 16)).float()
    # Separable indeed, as another learner says.
    assert SGDClassifier(random_state=0).fit(x.numpy(), y).score(x.numpy(), y) == 1
    labels = torch.from_numpy(y)
    features = Features(x[:150], labels[:150], x[150:200], labels[150:200], x[200:], 3)
    assert (LinearProbe().classify(features, Rng(0)) == labels[200:]).all()
    # One rate is hopeless: the other is chosen, whatever their order.
    for rates in ([1e-7, 0.1], [0.1, 1e-7]):
        assert (LinearProbe(lr=rates).classify(features, Rng(0)) == labels[200:]).all()


def test_rates_train_as_if_each_were_alone(vectors) -> None:
    fit_x, fit_y = torch.from_numpy(vectors[0]).double(), torch.from_numpy(vectors[1])
    both = LinearProbe(lr=[0.03, 0.3], epochs=3)._train(fit_x, fit_y, 10, Rng(0))
    for i, rate in enumerate((0.03, 0.3)):
        alone = LinearProbe(lr=[rate], epochs=3)._train(fit_x, fit_y, 10, Rng(0))
        assert torch.allclose(both[0][i], alone[0][0], atol=1e-10)
        assert torch.allclose(both[1][i], alone[1][0], atol=1e-10)
    # The first steps are torch's own SGD with the same schedule.
    model = torch.nn.Linear(64, 10, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
    optimiser = torch.optim.SGD(model.parameters(), 0.3, momentum=0.9)
    steps = 3 * -(-len(fit_x) // 256)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(3):
        for batch in torch.randperm(len(fit_x), generator=Rng(0).child(epoch).cpu).split(256):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(fit_x[batch]), fit_y[batch]).backward()
            optimiser.step(), schedule.step()
    assert torch.allclose(both[0][1].mT, model.weight, atol=1e-10)


def test_nearest_centroid_by_hand(pixels: Trained, target: Target, vectors) -> None:
    fit_x, fit_y, _, _, test_x, test_y = vectors
    means = np.stack([fit_x[fit_y == c].mean(0) for c in range(10)])
    nearest = np.stack([((test_x - m) ** 2).sum(1) for m in means]).argmin(0)
    scores = NearestCentroid(distance="euclidean").evaluate(pixels, target, Rng(0))
    assert np.array_equal(scores["accuracy"].values, nearest == test_y)
    assert set(scores) == set(NearestCentroid.metrics)
    assert (scores["accuracy"].denominator, scores["accuracy"].unit) == (1, "image")


def test_draws_are_counted_image_by_image(pixels: Trained, target: Target) -> None:
    protocol = KNN(k=1, shots=1, draws=3)
    scores = protocol.evaluate(pixels, target, Rng(0))["accuracy"]
    assert scores.denominator == 3
    total = np.zeros(len(scores.values))
    for draw in range(3):
        few = target.division(protocol.amount, draw)
        total += target.score_images(few.test, protocol.predict(pixels, target, few, Rng(0)))
    assert scores.values == total.tolist()
    assert len(set(scores.values)) > 2
