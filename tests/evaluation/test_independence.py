"""The order of a batch tells nothing, and what depends on others in it is refused or marked, whatever it declares."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import benchbench
from benchbench import Backbone, BenchbenchError, Episodes, EpisodeShape, MetaLearner, Rng, SampleSpec, Target, Trained
from benchbench.components.reference import resolve_component
from benchbench.components.registry import offers
from benchbench.data.modality import modality_named
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.task_norm import convert_norm
from benchbench.evaluation import trained as evaluation
from benchbench.evaluation.independence import check_alone, depends_on_queries
from benchbench.evaluation.trained import encoded
from benchbench.planning.matrix import parse_matrix
from benchbench.results.recompute import Recomputed
from benchbench.testing.standins import prepared_of
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.metas.maml import MAML
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.metas.protonet import ProtoNet
from benchbench_standard.protocols.episodic import Episodic
from benchbench_standard.protocols.episodic_frozen import EpisodicFrozen
from benchbench_standard.protocols.finetune import Finetune

from .conftest import SAMPLE, Small

REFUSED = "in evaluation a sample's features depend on the other samples of its batch"


def neighbours(z: Tensor) -> Tensor:
    return (z + z.roll(1, 0) + z.roll(-1, 0)) / 3


#: What an encoder may do with its batch in evaluation: z (N, dim) -> (N, dim).
LEAKS: dict[str, Callable[[Tensor], Tensor]] = {
    "smooth": neighbours,
    "previous": lambda z: torch.cat([z[:1], (z[1:] + z[:-1]) / 2]),
    "centred": lambda z: z - z.mean(0),
    "slightly centred": lambda z: z - 0.05 * z.mean(0),
    "large batches alone": lambda z: neighbours(z) if len(z) > 64 else z,
    "batch norm without averages": lambda z: (
        nn.functional.batch_norm(z, None, None, training=True) if len(z) > 1 else z
    ),
    "random": lambda z: z + torch.rand_like(z),
}


class Leaky(Small):
    """The small encoder with a leak; no norm."""

    def __init__(self, sample: SampleSpec, leak: Callable[[Tensor], Tensor]):
        super().__init__(sample)
        self.norm = nn.Identity()  # type: ignore[assignment]
        self.leak = leak

    def forward(self, x: Tensor) -> Tensor:
        z = super().forward(x)
        return z if self.training else self.leak(z)


def trained(leak: Callable[[Tensor], Tensor], learner: type[MetaLearner] = NearestCentroid, **settings: Any) -> Trained:
    torch.manual_seed(0)
    encoder = Leaky(SAMPLE, leak)
    return Trained(encoder, learner(encoder, **settings), SAMPLE)


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_features_that_depend_on_the_batch_are_refused(leak, target):
    with pytest.raises(BenchbenchError, match=f"backbone Leaky: {REFUSED}"):
        Episodic(episodes=4).evaluate(trained(leak), target, Rng(0))
    with pytest.raises(BenchbenchError, match=REFUSED):
        trained(leak).features(target, target.division().test)
    with pytest.raises(BenchbenchError, match=REFUSED):
        trained(leak).embed(torch.rand(100, 1, 8, 8))


@pytest.mark.parametrize("learner", [NearestCentroid, MAML])
def test_every_path_to_the_encoder_is_watched(learner, target):
    """Features that are kept, episodes that a learner adapts to, and an encoder that is tuned."""
    for protocol in (Episodic(episodes=4), Finetune(steps=2)):
        with pytest.raises(BenchbenchError, match=REFUSED):
            protocol.evaluate(trained(neighbours, learner), target, Rng(0))


def test_statistics_that_are_restated_do_not_excuse_a_batch(target):
    model = trained(neighbours)
    model.encoder.norm = nn.BatchNorm2d(16)
    model.learner.test_norm = "call"
    with pytest.raises(BenchbenchError, match=REFUSED):
        model.encoder_for(target)


def test_rounding_is_no_dependence():
    z = torch.rand(5, 32, generator=Rng("features").cpu)
    half = Leaky(SAMPLE, lambda z: z).bfloat16()
    for encoder, off, refused in (
        (nn.Identity(), 1e-5, False), (nn.Identity(), 5e-3, True), (half, 5e-3, False), (half, 0.1, True),
    ):  # fmt: skip
        x = z if encoder is not half else torch.rand(5, 1, 8, 8, generator=Rng("x").cpu).bfloat16()
        with torch.no_grad():
            features = encoder.eval()(x)
        features = features + off * features.abs().max()
        if refused:
            with pytest.raises(BenchbenchError, match=REFUSED):
                check_alone(encoder, x, features)  # type: ignore[arg-type]
        else:
            check_alone(encoder, x, features)  # type: ignore[arg-type]


def test_a_failed_cell_says_why(monkeypatch, tmp_path):
    """An untrained encoder that averages neighbouring rows had 92 % on glyphs, where they stand class by class."""
    forward = Conv4.forward
    monkeypatch.setattr(
        Conv4, "forward", lambda self, x: forward(self, x) if self.training else neighbours(forward(self, x))
    )
    content = {
        "axes": {
            "pretext": ["rotation"], "meta": ["nearest-centroid"], "backbone": ["conv4"], "source": ["glyphs"],
            "target": ["glyphs"], "protocol": ["5way-1shot"],
        },
        "budget": {"samples": 320},
        "floors": False,
        "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 4}}},
    }  # fmt: skip
    (record,) = benchbench.run(parse_matrix(content, "smooth"), tmp_path, executor="inline").records
    assert (record.status, record.reason[: len(REFUSED) + 16]) == ("failed", f"backbone Conv4: {REFUSED}")


# The order of batches


@pytest.fixture
def by_class(digits: Prepared) -> Prepared:
    """Digits class by class, as datasets of folders are."""
    order = np.argsort(digits.table.labels, kind="stable")
    table = replace(digits.table, x=np.asarray(digits.table.x)[order], labels=digits.table.labels[order])
    return replace(digits, table=table)


def test_neighbours_would_gain_nothing_if_they_were_not_refused(monkeypatch, by_class):
    monkeypatch.setattr(evaluation, "check_alone", lambda *_: None)
    target = Target(by_class, SAMPLE)
    scores = [
        np.mean(Episodic(episodes=100).evaluate(trained(leak), target, Rng(0))["accuracy"].values)
        for leak in (lambda z: z, neighbours)
    ]
    assert scores[1] < scores[0]


def test_neighbours_of_a_batch_are_of_any_class(monkeypatch, by_class, pixels):
    """Rows reach the encoder as often beside their own class as beside any other, whatever the protocol asks for."""
    target, beside = Target(by_class, SAMPLE), []
    images = target.samples

    def watched(rows: np.ndarray, sample: Any = None) -> Tensor:
        y = by_class.table.labels[rows]
        beside.extend(y[1:] == y[:-1])
        return images(rows, sample)

    monkeypatch.setattr(target, "samples", watched)
    pixels.features(target, target.division().test)
    # Ten classes alike: one in ten, with a standard error of 0.7 points.
    assert len(beside) > 1700
    assert np.mean(beside) < 0.14


def test_support_sets_and_parts_are_in_random_order(target):
    batches = list(target.episodes(EpisodeShape(5, 5, 5), 60))
    y = torch.cat([b.support_y for b in batches])
    # Of 24 pairs of neighbours 20 are alike class by class; at random 4 in 24.
    assert 0.1 < (y[:, 1:] == y[:, :-1]).double().mean() < 0.24
    for batch in batches:
        for rows, labels, drawn in zip(
            batch.support, batch.support_y, target.drawn(EpisodeShape(5, 5, 5), 60)[batch.number :], strict=False
        ):
            pairs = set(zip(rows.tolist(), labels.tolist(), strict=True))
            assert pairs == set(zip(drawn.support.tolist(), drawn.support_y.tolist(), strict=True))
    for part in (target.division().fit, target.division().select, target.division(benchbench.Amount(shots=10)).fit):
        assert (np.diff(part.y) == 0).mean() < 0.3
        assert (target._truth(part.rows) == part.y).all()


def test_features_come_back_in_their_own_order():
    x = torch.arange(1000.0).unsqueeze(1)
    found = encoded(nn.Identity(), 1000, lambda at: x[torch.from_numpy(at)], "key", 64)  # type: ignore[arg-type]
    assert torch.equal(found, x)
    assert encoded(nn.Identity(), 0, lambda at: x[torch.from_numpy(at)], "key").shape == (0, 1)  # type: ignore[arg-type]


# Learners


def sneaky(logits: Any) -> Any:
    """Centres all queries of a task in evaluation, and declares nothing."""

    def centred(self: MetaLearner, episodes: Episodes, rng: Rng) -> Tensor:
        x = episodes.query_x
        return logits(self, episodes if self.training else replace(episodes, query_x=x - x.mean(1, True)), rng)

    return centred


def noisy(logits: Any) -> Any:
    """Draws something for each query, from the stream that it is handed and from torch's own."""

    def drawing(self: MetaLearner, episodes: Episodes, rng: Rng) -> Tensor:
        found: Tensor = logits(self, episodes, rng)
        return found + torch.randn(found.shape, generator=rng.cpu) + torch.rand_like(found)

    return drawing


@pytest.mark.parametrize(
    ("change", "marked"), [(lambda f: f, False), (sneaky, True), (noisy, False)], ids=["honest", "sneaky", "noisy"]
)
def test_a_learner_that_looks_at_other_queries_is_marked(monkeypatch, tmp_path: Path, change, marked):
    monkeypatch.setattr(ProtoNet, "logits", change(ProtoNet.logits))
    content = {
        "axes": {
            "pretext": ["labels"], "meta": ["protonet"], "backbone": ["conv4"], "source": ["glyphs"],
            "target": ["digits"], "protocol": ["5way-1shot", "knn"],
        },
        "budget": {"samples": 320},
        "floors": False,
        "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 4}}},
    }  # fmt: skip
    records = benchbench.run(parse_matrix(content, "sneaky"), tmp_path, executor="inline").records
    assert {r.status for r in records} == {"ok"}
    assert {r.protocol: r.flags.transductive for r in records} == {"5way-1shot": marked, "knn": False}
    # An audit measures it too, so that nobody can write another flag.
    (own,) = [r for r in records if r.protocol == "5way-1shot"]
    forged = own.model_copy(update={"flags": own.flags.model_copy(update={"transductive": not marked})})
    assert not any("transductive" in fault for fault in Recomputed().faults(own)[0])
    assert any(f"flags.transductive is not {marked}" in fault for fault in Recomputed().faults(forged)[0])


def test_a_frozen_protocol_takes_no_transductive_adapter(monkeypatch, small, target):
    monkeypatch.setattr(NearestCentroid, "logits", sneaky(NearestCentroid.logits))
    protocol = EpisodicFrozen(adapter=resolve_component("meta", "nearest-centroid"), episodes=4)
    with pytest.raises(BenchbenchError, match="setting 'adapter': nearest-centroid scores queries by one another"):
        protocol.evaluate(small, target, Rng(0))


# Honest components


def specimen(modality):
    return modality_named(modality).specimens()[0]


@pytest.mark.parametrize("name", sorted(o.name for o in offers("backbone") if o.distribution == "benchbench-suite"))
def test_standard_backbones_are_independent(name):
    ref = resolve_component("backbone", name)
    modality = "image" if "image" in ref.load().modalities else min(ref.load().modalities)
    data = prepare(resolve_component("dataset", "glyphs")) if modality == "image" else prepared_of(specimen(modality))
    sample = data.raw
    torch.manual_seed(0)
    encoder = convert_norm(ref.build(sample))
    assert isinstance(encoder, Backbone)
    model, target = Trained(encoder, NearestCentroid(encoder), sample), Target(data, sample)
    assert model.encoder_for(target) is encoder
    assert model.embed(target.samples(target.used[:70])).isfinite().all()


@pytest.mark.parametrize("name", sorted(o.name for o in offers("meta") if o.distribution == "benchbench-suite"))
def test_standard_learners_score_each_query_by_itself(name, target):
    learner_type = resolve_component("meta", name)
    if learner_type.load().requires:
        pytest.skip("it works on another encoder")
    torch.manual_seed(0)
    encoder = convert_norm(Small(SAMPLE))
    assert isinstance(encoder, Backbone)
    model = Trained(encoder, learner_type.build(encoder), SAMPLE)
    declared = model.transductive
    batch = next(target.episodes(EpisodeShape(5, 1, 5), 1))
    model.logits(batch, Rng(0))
    assert model.dependences == 0
    x = target.samples(torch.cat([batch.support, batch.query], 1).flatten().numpy()).unsqueeze(0)
    episode = Episodes(x[:, :5], batch.support_y, x[:, 5:], None, 5)
    # What is measured is what is declared: by batch statistics, and by nothing without them.
    assert depends_on_queries(model.learner, episode, Rng(0)) == declared
    model.learner.test_norm = "support"
    assert depends_on_queries(model.learner, episode, Rng(0)) == model.learner.transductive
