"""ProtoNet, nearest centroid and nearest neighbour against sums written out."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from benchbench import Episodes, EpisodeShape, Rng, SampleSpec
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.metas.nearest_neighbour import NearestNeighbour
from benchbench_standard.metas.protonet import ProtoNet

RNG = Rng("test")
LEARNERS = [ProtoNet, NearestCentroid, NearestNeighbour]


@pytest.fixture
def uneven():
    """Two tasks of three classes with 1, 2 and 3 support samples, in no order."""
    torch.manual_seed(0)
    labels = torch.tensor([[2, 0, 1, 2, 1, 2], [1, 2, 2, 0, 2, 1]])
    return Episodes(torch.rand(2, 6, 4), labels, torch.rand(2, 5, 4), None, 3)


def images(count=3, ways=3, shots=2, queries=2):
    x = torch.rand(count, ways, shots + queries, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    return Episodes.from_classes(x, EpisodeShape(ways, shots, queries))


def expected(episodes, kind):
    out = torch.empty(2, 5, 3)
    for t in range(2):
        for q in range(5):
            for c in range(3):
                query, members = episodes.query_x[t, q], episodes.support_x[t][episodes.support_y[t] == c]
                if kind == "neighbour":
                    out[t, q, c] = -min(((query - m) ** 2).sum() for m in members)
                elif kind == "euclidean":
                    out[t, q, c] = -((query - members.mean(0)) ** 2).sum()
                else:
                    out[t, q, c] = 10 * F.cosine_similarity(query, members.mean(0), dim=0)
    return out


@pytest.mark.parametrize(
    ("cls", "settings", "kind"),
    [
        (ProtoNet, {}, "euclidean"),
        (ProtoNet, {"distance": "cosine"}, "cosine"),
        (NearestCentroid, {}, "cosine"),
        (NearestCentroid, {"distance": "euclidean"}, "euclidean"),
        (NearestNeighbour, {}, "neighbour"),
    ],
)
def test_scores_by_hand(cls, settings, kind, uneven):
    learner = cls(Pixels(SampleSpec("vector", (4,))), **settings)
    torch.testing.assert_close(learner.logits(uneven, RNG), expected(uneven, kind))


@pytest.mark.parametrize("cls", LEARNERS)
def test_precomputed_features_give_the_same(cls):
    encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=4)).eval()
    learner, episodes = cls(encoder).eval(), images()
    features = replace(
        episodes,
        support_x=encoder(episodes.support_x.flatten(0, 1)).unflatten(0, (3, -1)),
        query_x=encoder(episodes.query_x.flatten(0, 1)).unflatten(0, (3, -1)),
    )
    with learner.precomputed():
        cached = learner.logits(features, RNG)
    torch.testing.assert_close(cached, learner.logits(episodes, RNG), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["running", "episode", "support"])
@pytest.mark.parametrize("cls", LEARNERS)
def test_alone_or_together_and_labels_unread(cls, mode):
    encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=4)).eval()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    learner, episodes = cls(encoder, test_norm=mode).eval(), images()
    whole = learner.logits(episodes.withheld(), RNG)
    torch.testing.assert_close(
        whole, torch.cat([learner.logits(p, RNG) for p in episodes.chunks(1)]), rtol=1e-4, atol=1e-5
    )
    assert torch.equal(whole, learner.logits(replace(episodes, query_y=episodes.query_y.flip(1)), RNG))
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_protonet_chunked_backward_equals_whole():
    encoder = convert_norm(Conv4(SampleSpec("image", (1, 16, 16)), width=4)).double()
    learner, episodes = ProtoNet(encoder), images(count=4)
    episodes = replace(episodes, support_x=episodes.support_x.double(), query_x=episodes.query_x.double())
    learner.backward(episodes, RNG)
    whole = [w.grad.clone() for w in encoder.parameters()]
    encoder.zero_grad()
    for part in episodes.chunks(2):
        learner.backward(part, RNG, weight=0.5)
    for w, g in zip(encoder.parameters(), whole, strict=True):
        torch.testing.assert_close(w.grad, g)
