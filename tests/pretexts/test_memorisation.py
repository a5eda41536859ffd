"""Memorisation, on purpose: a class that always has the same label lets a learner ignore the support set."""

from dataclasses import replace

import torch

import benchbench
from benchbench import Episodes, EpisodeShape, Pool, Rng
from benchbench_standard.pretexts.labels import Labels

#: Of the first classes of the pool, the same in every episode.
WAYS = 5


def fixed(self: Labels, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
    """Episodes of always the same classes, whose labels are never shuffled."""
    rows = torch.stack([_of(pool, w)[rng.choices(20, shape.per_class, count)] for w in range(WAYS)], 1)
    return Episodes.from_classes(pool.images(rows), shape)


def shuffled(self: Labels, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
    """The same classes with labels anew in every episode."""
    drawn = fixed(self, pool, shape, count, rng.child("images"))
    order = rng.choices(WAYS, WAYS, count)
    return replace(drawn, support_y=order.gather(1, drawn.support_y), query_y=order.gather(1, drawn.labels()))


def _of(pool: Pool, c: int) -> torch.Tensor:
    return (pool.labels == c).nonzero().flatten()


def trained(episodes, monkeypatch) -> tuple[float, float]:
    """Accuracy at the end of training, on its own episodes, and on test episodes of the same classes that are labelled
    in random order."""
    monkeypatch.setattr(Labels, "episodes", episodes)
    settings = {
        "backbone": {"mlp": {"width": 64, "depth": 1}},
        # Steps too small to learn from the support set: what is left is to remember.
        "meta": {"maml": {"inner_lr": 1e-4, "train_steps": 1, "test_steps": 1, "head_ways": WAYS}},
    }
    model = benchbench.train(
        pretext="labels",
        meta="maml",
        backbone="mlp",
        samples=WAYS * 6 * 4 * 50,
        settings=settings,
        episodes={"meta_batch": 4},
        training={"lr": 3e-3},
    )
    data = benchbench.api.prepare(model.training.source)
    pool = Pool.of(data.table, data.split, "train", name="glyphs", labelled=True)
    shape = EpisodeShape(WAYS, 1, 5)
    rng = Rng("test")
    own = list(model.accuracies([episodes(None, pool, shape, 20, rng)], rng))
    new = list(model.accuracies([shuffled(None, pool, shape, 20, rng.child("new"))], rng))
    return sum(own) / 20, sum(new) / 20


def test_labels_that_are_not_shuffled_are_memorised_and_the_gap_shows_it(monkeypatch):
    own, new = trained(fixed, monkeypatch)
    assert own > 0.9
    assert new < 0.35, "chance is 0.2"


def test_shuffled_labels_cannot_be_memorised(monkeypatch):
    own, new = trained(shuffled, monkeypatch)
    assert own < 0.5
    assert abs(own - new) < 0.15
