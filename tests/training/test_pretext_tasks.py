"""Regimes meta-pretext: adapting to a pretext's own loss, against a hand-written derivation and finite differences."""

import pytest
import torch
from torch import Tensor

from benchbench import Backbone, Rng, SampleSpec
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench.encoding.task_norm import convert_norm
from benchbench.execution import job
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import Plan, plan
from benchbench.training.stage import StageRun
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.meta_sgd import MetaSGD

GREY = SampleSpec("image", (1, 16, 16))


def conv() -> Backbone:
    torch.manual_seed(0)
    return convert_norm(Conv4(GREY, width=3))


def learner_on(encoder: Backbone, kind: type[MAML] = MAML, **settings: object) -> MAML:
    return kind(encoder, **{"inner_lr": 0.3, "train_steps": 2, "test_steps": 2} | settings)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 2])
def test_adaptation_of_a_linear_autoencoder_by_hand(steps, encoder):
    """L(W) = mean over images of |D W x - x|^2 / d, whose gradient is 2 D^T (D W X - X) X^T / (n d)."""
    spec = SampleSpec("image", (1, 2, 2))
    body = encoder(spec, width=3)
    body.layer.bias = None
    learner = learner_on(body, train_steps=steps)
    decode = torch.randn(4, 3, generator=Rng(1).cpu)
    support, query = torch.rand(2, 5, 4, generator=Rng(2).cpu)

    def loss(encode, x: Tensor) -> Tensor:
        return (encode(x.view(-1, 1, 2, 2)) @ decode.T - x).square().mean()

    weight = body.layer.weight.detach().clone().requires_grad_()
    adapted = weight
    for _ in range(steps):
        rest = decode @ adapted @ support.T - support.T
        adapted = adapted - 0.3 * 2 * decode.T @ rest @ support / (5 * 4)
    expected = (decode @ adapted @ query.T - query.T).square().mean()
    outer = loss(learner.adapt_to(lambda encode: loss(encode, support)), query)
    torch.testing.assert_close(outer, expected)
    outer.backward()
    torch.testing.assert_close(body.layer.weight.grad, torch.autograd.grad(expected, weight)[0])


def stage(pretext: str, meta: str = "maml", regime: str = "meta-pretext", **settings: object) -> StageRun:
    """A stage that has begun, on a narrow encoder in the current precision."""
    training = planned([pretext], [meta], [regime], {"meta": {meta: settings}}).trainings[0]
    data = prepare(training.source)
    body, learner = job.build(training, SampleSpec("image", data.table.shape), "cpu")
    body, learner = body.to(torch.get_default_dtype()), learner.to(torch.get_default_dtype())
    run = StageRun(training.stages[0], 0, body, learner, data, 0, training.recipe, "cpu", {})
    run._start()
    for module in (run.encoder, run.learner, run.pretext):
        assert module is not None
        module.train()
    return run


def planned(
    pretexts: list[str], metas: list[str], regimes: list[str], settings: dict | None = None, **changes: object
) -> Plan:
    content = {
        "axes": {
            "pretext": pretexts,
            "meta": metas,
            "backbone": ["conv4"],
            "source": ["glyphs"],
            "target": ["glyphs"],
            "protocol": ["5way-1shot"],
            "regime": regimes,
        },
        "floors": False,
        "budget": {"samples": 3000},
        "episodes": {"meta_batch": 2, "queries": 2},
        "settings": {"backbone": {"conv4": {"width": 3}}, **(settings or {})},
        **changes,
    }
    return plan(parse_matrix(content, "test"))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("regime", ["meta-pretext", "meta-pretext-labels"])
@pytest.mark.parametrize("pretext", ["rotation", "autoencoder", "contrastive", "mixture"])
def test_meta_gradient_against_finite_differences(pretext, regime):
    run = stage(pretext, regime=regime, inner_lr=0.1, train_steps=2)
    weights = [*run.encoder.parameters(), *run.pretext.parameters()]
    run.tasks.backward(Rng(5))
    generator = Rng(6).cpu
    direction = [torch.randn(w.shape, generator=generator) for w in weights]
    exact = sum(float((w.grad * d).sum()) for w, d in zip(weights, direction, strict=True) if w.grad is not None)
    assert sum(w.grad is not None for w in run.pretext.parameters()) > 0, "its head learns from the outer loss"

    def moved(by: float) -> float:
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w += by * d
        return run.tasks.backward(Rng(5))["loss"]

    # So small a step that no kink of a ReLU lies within: the inner gradient jumps there.
    numeric = (moved(1e-8) - moved(-2e-8)) / 2e-8
    assert exact == pytest.approx(numeric, rel=1e-3, abs=1e-7)


@pytest.mark.usefixtures("float64")
def test_first_order_stops_the_gradient_at_the_adapted_weights():
    body = conv()
    x = torch.rand(6, 1, 16, 16, generator=Rng(0).cpu)

    def loss(encode):
        return encode(x).square().mean()

    gradients = []
    for first_order in (False, True):
        body.zero_grad()
        learner = learner_on(body, first_order=first_order)
        loss(learner.adapt_to(loss)).backward()
        gradients.append(body.convs[0].weight.grad.clone())
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize("kind", [MAML, MetaSGD])
def test_adaptation_lowers_the_loss_and_leaves_the_learner_as_it_was(kind):
    body = conv()
    learner = learner_on(body, kind, inner_lr=0.05, test_steps=5).eval()
    pretext = resolve_component("pretext", "autoencoder").build(body, GREY)
    x = torch.rand(8, 1, 16, 16, generator=Rng(0).cpu)
    state = {k: v.clone() for m in (body, learner, pretext) for k, v in m.state_dict().items()}
    with torch.no_grad():
        before = float(pretext.task_loss(learner.adapt_to(lambda e: 0 * e(x).sum()), x, Rng(0)))
        encode = learner.adapt_to(lambda e: pretext.task_loss(e, x, Rng(0)))
        assert float(pretext.task_loss(encode, x, Rng(0))) < before
    for module in (body, learner, pretext):
        for name, value in module.state_dict().items():
            assert torch.equal(value, state[name]), name


def test_a_task_of_a_mixture_is_of_one_part_throughout(monkeypatch):
    run = stage("mixture")
    drawn: list[int] = []
    for i, part in enumerate(run.pretext.parts):  # type: ignore[attr-defined]
        original = part.task_loss

        def spy(encode, x, rng, i=i, original=original):
            drawn.append(i)
            return original(encode, x, rng)

        monkeypatch.setattr(part, "task_loss", spy)
    for step in range(8):
        run.tasks.backward(Rng(step))
    calls = torch.tensor(drawn).view(16, -1)  # every inner step and the outer loss of 16 tasks
    assert (calls == calls[:, :1]).all()
    assert calls[:, 0].unique().numel() == 3


def test_views_of_a_task():
    """5 ways, 1 shot and 2 queries are 5 support and 10 query samples, 2 tasks a step."""
    assert stage("rotation").tasks.views == 2 * (5 + 10) * 4  # its four classes have no part in that
    assert stage("rotation", regime="meta-pretext-labels").tasks.views == 2 * (5 * 4 + 10)


def test_which_pairs_have_a_meaning():
    found = planned(
        ["rotation", "umtra", "labels", "inpainting", "colorization", "pca"],
        ["maml", "protonet", "nearest-centroid"],
        ["meta-pretext", "meta-pretext-labels", "joint"],
    )
    assert {(t.method.pretext, t.method.meta, t.method.regime) for t in found.trainings} == {
        ("rotation", "maml", "meta-pretext"),
        ("rotation", "maml", "meta-pretext-labels"),
        ("rotation", "nearest-centroid", "joint"),
        ("labels", "nearest-centroid", "joint"),
    }
    reasons = dict(found.dropped)
    place = "(conv4, glyphs,"
    for label, reason in {
        f"rotation × protonet {place} meta-pretext)": "protonet adapts to labelled samples only",
        f"umtra × maml {place} meta-pretext)": "pretext umtra has no task objective",
        f"labels × maml {place} meta-pretext-labels)": "pretext labels has no task objective",
        f"inpainting × nearest-centroid {place} joint)": "backbone conv4 does not provide tokens",
        f"pca × nearest-centroid {place} joint)": "backbone conv4 does not provide linear",
        f"colorization × nearest-centroid {place} joint)": "colorization needs images of 3 channels, not 1",
    }.items():
        assert reason in reasons[label]


def test_no_loss_joins_an_outer_step_that_follows_none():
    found = planned(["rotation"], ["maml", "reptile"], ["auxiliary"])
    assert [t.method.meta for t in found.trainings] == ["maml"]
    ((label, reason),) = found.dropped
    assert label.startswith("rotation × reptile")
    assert reason == "no auxiliary loss can join the outer step of reptile"


def test_the_labelled_outer_loss_reads_labels_and_the_record_says_so():
    from benchbench.training.chain import uses_labels

    own, labelled = planned(["rotation"], ["maml"], ["meta-pretext", "meta-pretext-labels"]).trainings
    assert not any(uses_labels(s.pretext) for s in own.stages)
    assert [uses_labels(s.pretext) for s in labelled.stages] == [True]


def test_selection_by_the_outer_loss():
    changes = {"selection": "pretext-valid", "training": {"validate_times": 2}, "budget": {"steps": 2}}
    training = planned(["autoencoder"], ["maml"], ["meta-pretext"], **changes).trainings[0]
    _, results = job.train(training, prepare(training.source), None, "cpu", lambda _: None)
    scores = [point["pretext-valid"] for point in results[0].curve]
    assert len(scores) == 2
    assert results[0].best == max(scores) < 0


def test_a_closed_form_takes_no_steps_and_an_embedding_is_trained_first():
    matrix = {"backbone": ["linear"], "settings": {"backbone": {"linear": {"width": 8}}}}
    axes = {"pretext": ["pca"], "meta": ["nearest-centroid"], "source": ["digits"], "target": ["digits"]}
    axes |= {"source": ["glyphs"], "backbone": matrix["backbone"], "protocol": ["5way-1shot"]}
    pca = plan(
        parse_matrix(
            {"axes": axes, "floors": False, "budget": {"samples": 400}, "settings": matrix["settings"]}, "test"
        )
    ).trainings[0]
    trained, results = job.train(pca, prepare(pca.source), None, "cpu", lambda _: None)
    assert (results[0].steps, results[0].samples, results[0].curve) == (0, 0, [])
    weight = trained.encoder.map.weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)

    episodes = {"ways": 5, "shots": 1, "queries": 1, "meta_batch": 1}
    clusters = {"pretext": {"cactus": {"embedding": "autoencoder", "clusters": 20}}}
    cactus = planned(["cactus"], ["protonet"], ["pseudo"], clusters, episodes=episodes).trainings[0]
    assert [(s.objective, s.pretext.name.split(":")[-1], s.share) for s in cactus.stages] == [
        ("plain", "autoencoder", 0.5),
        ("meta", "cactus", 0.5),
    ]
    alone = planned(["autoencoder"], ["nearest-centroid"], ["joint"]).trainings[0]
    assert alone.stages[0].key != cactus.stages[0].key, "with half of the budget"
    wrong = {"pretext": {"cactus": {"embedding": "umtra"}}}
    with pytest.raises(Exception, match="its embedding umtra has no plain objective"):
        planned(["cactus"], ["protonet"], ["pseudo"], wrong)


def test_a_record_tells_the_stages_of_every_chain():
    from types import SimpleNamespace

    from benchbench.results.consistency import stage_keys

    clusters = {"pretext": {"cactus": {"embedding": {"name": "rotation"}}}}
    found = planned(["cactus", "rotation"], ["maml"], ["pseudo", "meta-pretext", "meta-pretext-labels"], clusters)
    assert [len(t.stages) for t in found.trainings] == [2, 1, 1, 1]
    for training in found.trainings:
        content = {**training.content, "recipe": training.recipe}
        record = SimpleNamespace(content=content, method=training.method, flags=SimpleNamespace(floor=False))
        assert stage_keys(record) == [s.key for s in training.stages]
