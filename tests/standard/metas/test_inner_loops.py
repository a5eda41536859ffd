"""FOMAML, ANIL, proto-MAML, iMAML and Reptile against loops written out on a small network, in float64."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad
from torch.nn import functional as F

from benchbench import Backbone, Progress, Rng
from benchbench_standard.metas.anil import ANIL
from benchbench_standard.metas.fomaml import FOMAML
from benchbench_standard.metas.imaml import IMAML, conjugate_gradients
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.proto_maml import ProtoMAML
from benchbench_standard.metas.reptile import Reptile

RNG = Rng("test")
pytestmark = pytest.mark.usefixtures("float64")


class Small(Backbone):
    """Two layers with a smooth bend between them, so that Hessians are not trivial."""

    def __init__(self):
        super().__init__()
        self.dim = 3
        self.layers = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))

    def forward(self, x):
        return self.layers(x)


@pytest.fixture
def episodes(tasks):
    return tasks(count=2, ways=3, shots=2, queries=2, shape=(4,))


def body(learner):
    return {k: w.detach().clone() for k, w in learner.encoder.named_parameters()}


def head(learner, ways=3):
    return learner.head.weight.detach().repeat(ways, 1), learner.head.bias.detach().repeat(ways)


def loss_of(encoder, x, y):
    """The mean cross-entropy as a function of (body, weight, bias)."""

    def loss(weights):
        features = functional_call(encoder, weights[0], (x,))
        return F.cross_entropy(features @ weights[1].T + weights[2], y)

    return loss


def moved(weights, slopes, rate):
    inner, weight, bias = weights
    return {k: w - rate * slopes[0][k] for k, w in inner.items()}, weight - rate * slopes[1], bias - rate * slopes[2]


def found(learner, episodes):
    for w in (*learner.encoder.parameters(), *learner.parameters()):
        w.grad = None
    learner.backward(episodes, RNG)
    return {k: w.grad for k, w in learner.encoder.named_parameters()}


def test_fomaml_takes_the_query_gradient_at_the_adapted_weights(episodes):
    learner = FOMAML(Small(), head_ways=1, inner_lr=0.5, train_steps=3)
    expected = {k: torch.zeros_like(w) for k, w in body(learner).items()}
    row = torch.zeros(3)
    for t in range(2):
        weights = (body(learner), *head(learner))
        for _ in range(3):
            slopes = grad(loss_of(learner.encoder, episodes.support_x[t], episodes.support_y[t]))(weights)
            weights = moved(weights, slopes, 0.5)
        slopes = grad(loss_of(learner.encoder, episodes.query_x[t], episodes.query_y[t]))(weights)
        expected = {k: e + slopes[0][k] / 2 for k, e in expected.items()}
        row += slopes[1].sum(0) / 2
    gradients = found(learner, episodes)
    for name, slope in expected.items():
        torch.testing.assert_close(gradients[name], slope)
    torch.testing.assert_close(learner.head.weight.grad[0], row)


@pytest.mark.parametrize("first_order", [True, False])
def test_anil_fits_the_head_on_features_that_stay(first_order, episodes):
    """Softmax regression by hand on the features; the encoder's gradient is the query loss's, through those steps."""
    learner = ANIL(Small(), head_ways=1, inner_lr=0.5, train_steps=3, test_steps=3, first_order=first_order)
    inner = {k: w.requires_grad_() for k, w in body(learner).items()}
    losses, scores = [], []
    for t in range(2):
        z, query = (functional_call(learner.encoder, inner, x[t]) for x in (episodes.support_x, episodes.query_x))
        weight, bias = head(learner)
        for _ in range(3):
            error = ((z @ weight.T + bias).softmax(1) - F.one_hot(episodes.support_y[t], 3)) / len(z)
            slopes = error.T @ z, error.sum(0)
            if first_order:
                slopes = [s.detach() for s in slopes]
            weight, bias = weight - 0.5 * slopes[0], bias - 0.5 * slopes[1]
        scores.append(query @ weight.T + bias)
        losses.append(F.cross_entropy(scores[-1], episodes.query_y[t]))
    expected = dict(zip(inner, torch.autograd.grad(sum(losses) / 2, [*inner.values()]), strict=True))
    gradients = found(learner, episodes)
    for name, slope in expected.items():
        torch.testing.assert_close(gradients[name], slope)
    torch.testing.assert_close(learner.eval().logits(episodes, RNG), torch.stack(scores).detach())


class HeadOnly(MAML):
    """MAML whose rates are 0 on the encoder."""

    def rates(self, weights):
        return {f"encoder.{k}": torch.tensor(0.0) for k, _ in self.encoder.named_parameters()}


@pytest.mark.parametrize("mode", ["call", "support", "episode", "running"])
@pytest.mark.parametrize("first_order", [True, False])
def test_anil_is_maml_with_a_body_that_stays(mode, first_order, conv, tasks):
    settings = {"inner_lr": 0.5, "train_steps": 3, "first_order": first_order, "train_norm": mode, "test_norm": mode}
    learners = []
    for cls in (ANIL, HeadOnly):
        torch.manual_seed(1)
        learners.append(cls(conv(), **settings))
    first, second = (found(learner, tasks()) for learner in learners)
    for name, slope in second.items():
        torch.testing.assert_close(first[name], slope, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(learners[0].head.weight.grad, learners[1].head.weight.grad)
    for learner in learners:
        learner.encoder.load_state_dict(learners[1].encoder.state_dict())
    one, two = (learner.eval().logits(tasks(seed=2), RNG) for learner in learners)
    torch.testing.assert_close(one, two)


def test_proto_maml_against_finite_differences_with_the_inner_gradients_held(episodes):
    """First order: the meta-gradient is that of the query loss as the beginning moves and the steps stay."""
    learner = ProtoMAML(Small(), inner_lr=0.05, train_steps=3)
    encoder = learner.encoder

    def beginning(weights, t):
        features = functional_call(encoder, weights, (episodes.support_x[t],))
        means = torch.stack([features[episodes.support_y[t] == c].mean(0) for c in range(3)])
        return weights, 2 * means, -(means**2).sum(1)

    steps = []
    for t in range(2):
        start = weights = beginning(body(learner), t)
        for _ in range(3):
            slopes = grad(loss_of(encoder, episodes.support_x[t], episodes.support_y[t]))(weights)
            weights = moved(weights, slopes, 0.05)
        steps.append(({k: start[0][k] - weights[0][k] for k in start[0]}, start[1] - weights[1], start[2] - weights[2]))

    def outer(weights):
        total = 0.0
        for t in range(2):
            adapted = moved(beginning(weights, t), steps[t], 1.0)
            total += loss_of(encoder, episodes.query_x[t], episodes.query_y[t])(adapted) / 2
        return total

    gradients = found(learner, episodes)
    loss = learner.loss(episodes, RNG)[0]
    torch.testing.assert_close(loss.detach(), outer(body(learner)))
    for name, start in body(learner).items():
        numeric = torch.zeros_like(start)
        for i in range(start.numel()):
            ends = []
            for sign in (1, -1):
                weights = body(learner)
                weights[name].view(-1)[i] += sign * 1e-6
                ends.append(outer(weights))
            numeric.view(-1)[i] = (ends[0] - ends[1]) / 2e-6
        torch.testing.assert_close(gradients[name], numeric, rtol=1e-5, atol=1e-8)


def test_imaml_against_finite_differences_through_the_solved_inner_problem(episodes):
    learner = IMAML(Small(), head_ways=1, inner_lr=0.4, train_steps=80, strength=1.5, cg_steps=40, shift=0, damping=0)
    gradients = found(learner, episodes)

    def outer():
        with torch.no_grad():
            return learner.loss(episodes, RNG)[0].item()

    for name, w in [*learner.encoder.named_parameters(), ("head", learner.head.weight)]:
        slope = learner.head.weight.grad if name == "head" else gradients[name]
        direction = torch.randn_like(w)
        ends = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                w += step * direction
            ends.append(outer())
        with torch.no_grad():
            w += 1e-5 * direction
        numeric = (ends[0] - ends[1]) / 2e-5
        assert (slope * direction).sum().item() == pytest.approx(numeric, rel=1e-5, abs=1e-9)


def test_imaml_finds_the_minimum_of_the_proximal_problem(episodes):
    learner = IMAML(Small(), head_ways=1, inner_lr=0.4, train_steps=80, strength=1.5)
    start, adapted = learner.begin(episodes), learner.adapt(episodes)
    for t in range(2):
        weights = (
            {k: adapted[f"encoder.{k}"][t].detach() for k in body(learner)},
            adapted["head.weight"][t].detach(),
            adapted["head.bias"][t].detach(),
        )
        slopes = grad(loss_of(learner.encoder, episodes.support_x[t], episodes.support_y[t]))(weights)
        pull = 1.5 * (adapted["head.weight"][t] - start["head.weight"][t])
        torch.testing.assert_close(slopes[1], -pull.detach(), rtol=1e-6, atol=1e-9)


def test_imaml_solves_the_official_damped_system(episodes):
    """(2 I + H / 12) x = g by default, against the whole Hessian of each task, at the weights where adapting ends."""
    learner = IMAML(Small(), head_ways=1, train_steps=2, cg_steps=200)
    names, adapted = list(body(learner)), learner.adapt(episodes)
    shapes = [adapted[f"encoder.{name}"][0].shape for name in names]
    expected = torch.zeros(sum(shape.numel() for shape in shapes))
    for t in range(2):
        parts = [*(adapted[f"encoder.{name}"][t] for name in names), adapted["head.weight"][t], adapted["head.bias"][t]]
        sizes = [part.numel() for part in parts]

        def loss(flat, x, y, parts=parts, sizes=sizes):
            *inner, weight, bias = (f.view(p.shape) for f, p in zip(flat.split(sizes), parts, strict=True))
            return loss_of(learner.encoder, x, y)((dict(zip(names, inner, strict=True)), weight, bias))

        flat = torch.cat([part.detach().flatten() for part in parts])
        hessian = torch.func.hessian(loss)(flat, episodes.support_x[t], episodes.support_y[t])
        slope = grad(loss)(flat, episodes.query_x[t], episodes.query_y[t])
        expected += torch.linalg.solve(2 * torch.eye(len(flat)) + hessian / 12, slope)[: len(expected)] / 2
    gradients = found(learner, episodes)
    torch.testing.assert_close(torch.cat([gradients[name].flatten() for name in names]), expected)


def test_imaml_lets_go_of_the_initial_weights_at_test(episodes):
    """Without a proximal term its steps at test are MAML's."""
    free, held, plain = IMAML(Small()), IMAML(Small(), test_strength=2.0), MAML(Small(), inner_lr=0.1, test_steps=16)
    for learner in (free, held, plain):
        learner.load_state_dict(free.state_dict())
        learner.encoder.load_state_dict(free.encoder.state_dict())
        learner.eval()
    free_logits, held_logits, plain_logits = (part.logits(episodes, RNG) for part in (free, held, plain))
    torch.testing.assert_close(free_logits, plain_logits)
    assert not torch.allclose(free_logits, held_logits)


def test_conjugate_gradients_solve_a_system_a_row():
    a = torch.randn(3, 6, 6)
    a = a @ a.mT + torch.eye(6)
    b = torch.randn(3, 6)
    b[1] = 0  # solved from the start
    x = conjugate_gradients(lambda v: (a @ v.unsqueeze(-1)).squeeze(-1), b, 6)
    np.testing.assert_allclose(x, np.linalg.solve(a.numpy(), b.numpy()[..., None])[..., 0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("own_rows", [False, True])
def test_reptile_moves_towards_what_adam_finds(own_rows, episodes):
    """Two meta-steps against torch's own Adam on copies, with the mini-batches that the stream gives."""
    learner = Reptile(Small(), inner_lr=0.02, train_steps=5, inner_batch=5, head_ways=3 if own_rows else 1)
    optimiser = torch.optim.Adam(learner.parameter_groups(), 1e-3)
    plain, rows = deepcopy(learner.encoder), deepcopy(learner.head)
    for step in (3, 4):
        rng = Rng("reptile", step)
        order = Rng("reptile", step).choices(12, 12, 3).flatten()
        ends = []
        for t in range(2):
            model, linear = deepcopy(plain), nn.Linear(3, 3)
            with torch.no_grad():
                linear.weight.copy_(rows.weight.expand(3, -1))
                linear.bias.copy_(rows.bias.expand(3))
            inner = torch.optim.Adam([*model.parameters(), *linear.parameters()], 0.02, betas=(0.0, 0.999))
            x = torch.cat([episodes.support_x[t], episodes.query_x[t]])
            y = torch.cat([episodes.support_y[t], episodes.query_y[t]])
            # 12 samples in batches of 5: batches 3 and 5 reach into the next pass.
            for batch in order.split(5)[:5]:
                inner.zero_grad()
                F.cross_entropy(linear(model(x[batch])), y[batch]).backward()
                inner.step()
            ends.append((model, linear))
        rate = 1 - (step - 1) / 10
        with torch.no_grad():
            for w, *after in zip(plain.parameters(), *(m.parameters() for m, _ in ends), strict=True):
                w += rate * (sum(after) / 2 - w)
            for w, *after in zip(rows.parameters(), *(h.parameters() for _, h in ends), strict=True):
                mean = sum(after) / 2
                w += rate * ((mean if own_rows else mean.mean(0, keepdim=True)) - w)
        optimiser.zero_grad()
        learner.backward(episodes, rng)
        optimiser.step()
        learner.after_step(Progress(step, 10, 0))
    for w, expected in zip(
        [*learner.encoder.parameters(), *learner.head.parameters()],
        [*plain.parameters(), *rows.parameters()],
        strict=True,
    ):
        torch.testing.assert_close(w, expected)


def test_reptile_scores_after_adam_on_the_support_set(episodes):
    learner = Reptile(Small(), head_ways=1, inner_lr=0.02, test_steps=4, inner_batch=4).eval()
    scores = learner.logits(episodes.withheld(), Rng("same"))
    order = Rng("same").choices(6, 6, 3).flatten()  # three passes of 6 samples hold four batches of 4
    for t in range(2):
        model, linear = deepcopy(learner.encoder), nn.Linear(3, 3)
        with torch.no_grad():
            for w, start in zip((linear.weight, linear.bias), head(learner), strict=True):
                w.copy_(start)
        inner = torch.optim.Adam([*model.parameters(), *linear.parameters()], 0.02, betas=(0.0, 0.999))
        for batch in order.split(4)[:4]:
            inner.zero_grad()
            F.cross_entropy(linear(model(episodes.support_x[t, batch])), episodes.support_y[t, batch]).backward()
            inner.step()
        torch.testing.assert_close(scores[t], linear(model(episodes.query_x[t])).detach())
