"""MAML and Meta-SGD against finite differences, hand-written derivations and their own invariances, in float64."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import grad
from torch.nn import functional as F

from benchbench import Backbone, Episodes, EpisodeShape, Rng, SampleSpec
from benchbench.components.reference import key_content, resolve_component
from benchbench.encoding.task_norm import convert_norm
from benchbench.encoding.tasks import encode
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.mlp import MLP
from benchbench_standard.metas.anil import ANIL
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.meta_sgd import MetaSGD
from benchbench_standard.metas.proto_maml import ProtoMAML

MODES = ["call", "support", "episode", "running"]
RNG = Rng("test")


@pytest.fixture(autouse=True)
def _float64():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


class Linear(Backbone):
    """One linear map: small enough to follow by hand."""

    def __init__(self):
        super().__init__()
        self.dim = 2
        self.map = nn.Linear(3, 2, bias=False)

    def forward(self, x):
        return self.map(x)


def conv(width=3):
    encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=width))
    for norm in encoder.norms:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    return encoder


def tasks(count=2, ways=3, shots=2, queries=2, shape=(1, 16, 16), seed=1):
    x = torch.rand(count, ways, shots + queries, *shape, generator=torch.Generator().manual_seed(seed))
    return Episodes.from_classes(x, EpisodeShape(ways, shots, queries))


def make(cls=MAML, encoder=None, **settings):
    torch.manual_seed(3)
    return cls(encoder or conv(), **{"inner_lr": 0.3, "train_steps": 2, "test_steps": 2, "head_ways": 1} | settings)


def gradients(learner, episodes):
    weights = {**dict(learner.encoder.named_parameters()), "head.weight": learner.head.weight}
    for w in (*learner.encoder.parameters(), *learner.parameters()):
        w.grad = None
    learner.backward(episodes, RNG)
    return {name: w.grad.clone() for name, w in weights.items()}


@pytest.mark.parametrize("mode", MODES)
def test_meta_gradient_against_finite_differences(mode):
    learner, episodes = make(train_norm=mode), tasks()
    found = gradients(learner, episodes)
    weights = {**dict(learner.encoder.named_parameters()), "head.weight": learner.head.weight}
    direction = {name: torch.randn_like(w) for name, w in weights.items()}
    step = 1e-6

    def moved(by):
        with torch.no_grad():
            for name, w in weights.items():
                w += by * direction[name]
        return learner.loss(episodes, RNG)[0].item()

    numeric = (moved(step) - moved(-2 * step)) / (2 * step)
    exact = sum((found[name] * direction[name]).sum() for name in weights).item()
    assert exact == pytest.approx(numeric, rel=1e-4)


def by_hand(learner, episodes, mode):
    """One inner step written with torch.func and torch's own batch norm, a task at a time: the mean query loss."""
    encoder, shots = learner.encoder, episodes.shots
    start = {k: w.detach().clone().requires_grad_() for k, w in encoder.named_parameters()}
    row, bias = (w.detach().clone().requires_grad_() for w in (learner.head.weight, learner.head.bias))

    def features(weights, x, support):
        for i, norm in enumerate(encoder.norms):
            x = F.conv2d(x, weights[f"convs.{i}.weight"], padding=1)
            mean, var = norm.running_mean, norm.running_var
            if mode != "running":
                seen = x[:support] if mode == "support" else x
                mean, var = seen.mean((0, 2, 3)), seen.var((0, 2, 3), unbiased=False)
            x = (x - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + norm.eps).sqrt()
            x = x * weights[f"norms.{i}.weight"].view(1, -1, 1, 1) + weights[f"norms.{i}.bias"].view(1, -1, 1, 1)
            x = F.max_pool2d(F.relu(x), 2)
        return x.flatten(1)

    def scores(weights, x):
        return features(weights["body"], x, shots) @ weights["row"].T + weights["bias"]

    losses = []
    for t in range(len(episodes)):
        everything = torch.cat([episodes.support_x[t], episodes.query_x[t]])

        def inner(weights, t=t, everything=everything):
            x = everything if mode == "episode" else episodes.support_x[t]
            return F.cross_entropy(scores(weights, x)[:shots], episodes.support_y[t])

        weights = {"body": start, "row": row.expand(episodes.ways, -1), "bias": bias.expand(episodes.ways)}
        slope = grad(inner)(weights)
        lr = learner.inner_lr
        adapted = {
            "body": {k: w - lr * slope["body"][k] for k, w in start.items()},
            "row": weights["row"] - lr * slope["row"],
            "bias": weights["bias"] - lr * slope["bias"],
        }
        x = episodes.query_x[t] if mode == "call" else everything
        losses.append(F.cross_entropy(scores(adapted, x)[-episodes.query_x.shape[1] :], episodes.query_y[t]))
    loss = torch.stack(losses).mean()
    slopes = torch.autograd.grad(loss, [*start.values(), row])
    return loss, dict(zip([*start, "head.weight"], slopes, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_one_step_against_a_derivation_by_hand(mode):
    learner, episodes = make(train_steps=1, train_norm=mode), tasks()
    loss, expected = by_hand(learner, episodes, mode)
    torch.testing.assert_close(learner.loss(episodes, RNG)[0], loss, rtol=1e-10, atol=1e-12)
    found = gradients(learner, episodes)
    for name, slope in expected.items():
        torch.testing.assert_close(found[name], slope, rtol=1e-8, atol=1e-10)


def test_inner_steps_of_a_linear_model_by_hand():
    learner = make(encoder=Linear(), test_steps=2).eval()
    episodes = tasks(count=1, ways=2, shots=1, queries=1, shape=(3,))
    w, v, b = learner.encoder.map.weight, learner.head.weight.repeat(2, 1), learner.head.bias.repeat(2)
    x, y = episodes.support_x[0], F.one_hot(episodes.support_y[0], 2)
    with torch.no_grad():
        for _ in range(2):
            error = ((x @ w.T @ v.T + b).softmax(1) - y) / 2  # d(mean cross-entropy) / d(scores)
            v, b, w = v - 0.3 * error.T @ x @ w.T, b - 0.3 * error.sum(0), w - 0.3 * (error @ v).T @ x
        expected = episodes.query_x[0] @ w.T @ v.T + b
    torch.testing.assert_close(learner.logits(episodes, RNG)[0].detach(), expected)


def test_first_order_is_detached_second_order():
    """With gradients as constants, the meta-gradient is the query gradient at the adapted weights."""
    learner, episodes = make(first_order=True), tasks()
    found = gradients(learner, episodes)
    assert not torch.allclose(found["convs.0.weight"], gradients(make(), episodes)["convs.0.weight"])
    adapted = {name: w.detach().requires_grad_() for name, w in learner.adapt(episodes).items()}
    scores = learner.score(adapted, episodes.query_x, episodes.shots)
    F.cross_entropy(scores.flatten(0, 1), episodes.query_y.flatten()).backward()
    for name in dict(learner.encoder.named_parameters()):
        torch.testing.assert_close(found[name], adapted[f"encoder.{name}"].grad.sum(0))
    torch.testing.assert_close(found["head.weight"][0], adapted["head.weight"].grad.sum((0, 1)))


def test_meta_sgd_at_equal_rates_is_maml():
    episodes = tasks()
    sgd, maml = make(MetaSGD), make()
    sgd.encoder.load_state_dict(maml.encoder.state_dict())
    sgd.head.load_state_dict(maml.head.state_dict())
    found, expected = gradients(sgd, episodes), gradients(maml, episodes)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_meta_sgd_learns_a_rate_for_every_parameter():
    learner = make(MetaSGD)
    gradients(learner, tasks())
    rates = {name.replace("/", "."): rate for name, rate in learner.alpha.items()}
    assert {k: r.shape for k, r in rates.items()} == {k: w.shape for k, w in learner.initial(1).items()}
    assert rates["encoder.convs.0.weight"].grad.unique().numel() > 1
    before = learner.loss(tasks(), RNG)[0].item()
    rate, step = rates["encoder.norms.3.weight"], 1e-6
    with torch.no_grad():
        rate[0] += step
    after = learner.loss(tasks(), RNG)[0].item()
    assert (after - before) / step == pytest.approx(rate.grad[0].item(), rel=1e-3, abs=1e-8)


def test_meta_sgd_steps_by_equation_2():
    """theta' = theta - alpha * gradient, element by element, with a rate of its own for each; and its meta-gradient."""
    learner = make(MetaSGD, Linear(), head_ways=2, train_steps=1)
    episodes = tasks(count=1, ways=2, shots=2, queries=1, shape=(3,))
    weights = [learner.encoder.map.weight, learner.head.weight, learner.head.bias]
    rates = [learner.alpha[name.replace(".", "/")] for name in ("encoder.map.weight", "head.weight", "head.bias")]
    with torch.no_grad():
        for value in (*rates, *weights):
            value.uniform_(-1, 1)
    assert [r.shape for r in rates] == [w.shape for w in weights]
    w, v, b = moving = [value.detach().clone().requires_grad_() for value in weights]
    alpha_w, alpha_v, alpha_b = alphas = [rate.detach().clone().requires_grad_() for rate in rates]
    x, y = episodes.support_x[0], F.one_hot(episodes.support_y[0], 2)
    error = ((x @ w.T @ v.T + b).softmax(1) - y) / 4  # d(mean cross-entropy) / d(scores)
    w, v, b = (
        w - alpha_w * ((error @ v).T @ x),
        v - alpha_v * (error.T @ x @ w.T),
        b - alpha_b * error.sum(0),
    )
    scores = episodes.query_x[0] @ w.T @ v.T + b
    torch.testing.assert_close(learner.loss(episodes, RNG)[1][0].detach(), scores.detach())
    expected = torch.autograd.grad(F.cross_entropy(scores, episodes.query_y[0]), [*moving, *alphas])
    learner.backward(episodes, RNG)
    for value, slope in zip((*weights, *rates), expected, strict=True):
        torch.testing.assert_close(value.grad, slope)


@pytest.mark.parametrize("mode", MODES)
def test_a_task_does_not_depend_on_the_batch(mode):
    learner, episodes = make(test_norm=mode).eval(), tasks(count=3)
    whole = learner.logits(episodes, RNG)
    alone = torch.cat([learner.logits(part, RNG) for part in episodes.chunks(1)])
    torch.testing.assert_close(whole, alone, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cls", [MAML, MetaSGD])
def test_chunked_backward_equals_whole(cls):
    learner, episodes = make(cls), tasks(count=4)
    whole = gradients(learner, episodes)
    for w in (*learner.encoder.parameters(), *learner.parameters()):
        w.grad = None
    for part in episodes.chunks(2):
        learner.backward(part, RNG, weight=0.5)
    for name, w in learner.encoder.named_parameters():
        torch.testing.assert_close(w.grad, whole[name])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_logits_leave_everything_as_it_was(mode, training):
    learner = make(train_norm=mode, test_norm=mode).train(training)
    learner.encoder.train(training)
    states = [{k: v.clone() for k, v in m.state_dict().items()} for m in (learner, learner.encoder)]
    learner.logits(tasks(), RNG)
    for module, state in zip((learner, learner.encoder), states, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, state[name]), name
        assert all(w.grad is None and w.requires_grad for w in module.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_query_labels_are_not_read(mode):
    learner, episodes = make(test_norm=mode).eval(), tasks()
    with torch.no_grad():
        seen = learner.logits(episodes, RNG)
        assert torch.equal(seen, learner.logits(episodes.withheld(), RNG))
        assert torch.equal(seen, learner.logits(replace(episodes, query_y=episodes.query_y.flip(1)), RNG))


@pytest.mark.parametrize(("mode", "inductive"), [("support", True), ("running", True), ("call", False)])
def test_which_modes_are_inductive(mode, inductive):
    learner, episodes = make(test_norm=mode).eval(), tasks()
    other = replace(episodes, query_x=torch.cat([episodes.query_x[:, :1], 1 - episodes.query_x[:, 1:]], 1))
    first, second = learner.logits(episodes, RNG)[:, 0], learner.logits(other, RNG)[:, 0]
    assert torch.allclose(first, second, rtol=1e-9) is inductive


def test_ways_at_test_may_differ():
    learner = make(train_norm="support").eval()
    assert learner.logits(tasks(ways=5, shots=1, queries=1), RNG).shape == (2, 5, 5)
    fixed = make(head_ways=3)
    row = fixed.head.weight
    for ways, expected in ((2, row[:2]), (3, row), (5, torch.stack([*row, row.mean(0), row.mean(0)]))):
        torch.testing.assert_close(fixed.begin(tasks(ways=ways))["head.weight"][0], expected)
        assert fixed.logits(tasks(ways=ways), RNG).shape == (2, 2 * ways, ways)


@pytest.mark.parametrize("cls", [MAML, MetaSGD])
def test_the_first_inner_gradient_reaches_the_encoder(cls):
    episodes = tasks()
    for count, reaches in ((1, False), (2, True), (3, True), (5, True)):
        learner = make(cls, head_ways=count)
        slopes = learner.slopes(learner.begin(episodes), episodes)
        size = max(s.abs().max().item() for name, s in slopes.items() if name.startswith("encoder."))
        assert (size > 1e-6) is reaches
    wide = make(cls, head_ways=2).eval()
    assert wide.logits(tasks(ways=4), RNG).isfinite().all()


@pytest.mark.parametrize("cls", [MAML, MetaSGD, ProtoMAML])
def test_frozen_parameters_stay(cls):
    encoder = convert_norm(MLP(SampleSpec("vector", (4,)), width=3, depth=2))
    frozen, *moving = dict(encoder.named_parameters())
    encoder.get_parameter(frozen).requires_grad_(False)
    settings = {} if cls is ProtoMAML else {"inner_lr": 0.3}
    learner, episodes = cls(encoder, **settings), tasks(shape=(4,))
    adapted = learner.adapt(episodes)
    assert f"encoder.{frozen}" not in adapted
    assert all(f"encoder.{name}" in adapted for name in moving)
    learner.backward(episodes, RNG)
    assert encoder.get_parameter(frozen).grad is None
    assert any(encoder.get_parameter(name).grad.abs().sum() > 0 for name in moving)


class Attention(Backbone):
    """Self-attention over four tokens of 3."""

    def __init__(self):
        super().__init__()
        self.dim = 12
        self.map = nn.Linear(3, 9, bias=False)

    def forward(self, x):
        q, k, v = self.map(x.unflatten(1, (4, 3))).unsqueeze(1).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v).flatten(1)


def test_attention_under_adapted_weights_has_second_derivatives():
    encoder = Attention()
    x = torch.randn(2, 3, 12)

    def features(weights):
        return encode(encoder, x, params={"map.weight": weights})

    weights = torch.randn(2, 9, 3, requires_grad=True)
    assert torch.autograd.gradcheck(features, weights)
    assert torch.autograd.gradgradcheck(features, weights)
    learner = make(encoder=encoder)
    learner.backward(tasks(shape=(12,)), RNG)
    assert encoder.map.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("cls", [MAML, MetaSGD])
def test_it_learns(cls):
    """Classes differ in half of the dimensions and the other half is louder noise; chance is 1/5."""
    torch.set_default_dtype(torch.float32)
    learner = make(cls, convert_norm(MLP(SampleSpec("vector", (20,)), width=32, depth=1)))
    optimiser = torch.optim.Adam(learner.parameter_groups(), 1e-2)

    def draw(seed):
        g = torch.Generator().manual_seed(seed)
        x = torch.randn(4, 5, 1, 10, generator=g) + 0.2 * torch.randn(4, 5, 6, 10, generator=g)
        return Episodes.from_classes(
            torch.cat([x, 3 * torch.randn(4, 5, 6, 10, generator=g)], -1), EpisodeShape(5, 1, 5)
        )

    for step in range(150):
        optimiser.zero_grad()
        learner.backward(draw(step), RNG)
        optimiser.step()
    test = Episodes.cat([draw(10_000 + i) for i in range(20)])
    accuracy = (learner.eval().logits(test, RNG).argmax(-1) == test.query_y).double().mean()
    assert accuracy > 0.6


class OfTokens(Backbone):
    """Two tokens embedded, then one layer."""

    def __init__(self):
        super().__init__()
        self.dim = 3
        self.embedded, self.layer = nn.Embedding(9, 4), nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.embedded(x).flatten(1)).tanh()


def token_tasks():
    x = torch.randint(9, (2, 2, 5, 2), generator=torch.Generator().manual_seed(2))
    return Episodes.from_classes(x, EpisodeShape(2, 3, 2))


@pytest.mark.parametrize("cls", [MAML, MetaSGD])
@pytest.mark.parametrize("adapts", ["all", "head", "decision"])
def test_what_adapts(adapts, cls):
    """The inner loop moves what is named, the outer step everything."""
    learner, episodes = make(cls, OfTokens(), adapts=adapts, head_ways=2), token_tasks()
    adapted = learner.adapt(episodes)
    head, layer = {"head.weight", "head.bias"}, {"encoder.layer.weight", "encoder.layer.bias"}
    expected = {"head": head, "decision": head | layer, "all": head | layer | {"encoder.embedded.weight"}}[adapts]
    assert set(adapted) == expected
    start = learner.begin(episodes)
    assert all((adapted[name] - start[name]).abs().max() > 0 for name in expected)
    learner.backward(episodes, RNG)
    assert all(w.grad.abs().max() > 0 for w in learner.encoder.parameters())


def test_the_head_alone_is_anil():
    encoder, episodes = OfTokens(), token_tasks()
    maml, anil = (make(cls, encoder, head_ways=2, **given) for cls, given in ((MAML, {"adapts": "head"}), (ANIL, {})))
    torch.testing.assert_close(maml.logits(episodes, RNG), anil.logits(episodes, RNG))
    assert not maml.adapts_to_any_loss


def test_what_adapts_is_in_keys_only_where_it_was_set():
    content = {name: key_content(resolve_component("meta", name)) for name in ("maml", "anil", "fomaml", "meta-sgd")}
    assert all("adapts" not in held["settings"] for held in content.values())
    assert key_content(resolve_component("meta", "maml", {"adapts": "head"}))["settings"]["adapts"] == "head"
