"""Memorisation, on purpose: a class that always has the same label lets a learner ignore the support set."""

from dataclasses import replace
from typing import Any

import torch

import benchbench
from benchbench import Episodes, EpisodeShape, Pool, Rng
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.views import view
from benchbench.planning.matrix import parse_matrix
from benchbench_standard.pretexts.labels import Labels

#: Of the first classes of the pool, the same in every episode.
WAYS = 5


def fixed(self: Labels, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
    """Episodes of always the same classes, whose labels are never shuffled."""
    rows = torch.stack([_of(pool, w)[rng.choices(20, shape.per_class, count)] for w in range(WAYS)], 1)
    return Episodes.from_classes(pool.samples(rows), shape)


def shuffled(self: Labels, pool: Pool, shape: EpisodeShape, count: int, rng: Rng) -> Episodes:
    """The same classes with labels anew in every episode."""
    drawn = fixed(self, pool, shape, count, rng.child("images"))
    order = rng.choices(WAYS, WAYS, count)
    return replace(drawn, support_y=order.gather(1, drawn.support_y), query_y=order.gather(1, drawn.labels()))


def _of(pool: Pool, c: int) -> torch.Tensor:
    return (pool.labels == c).nonzero().flatten()


def run(episodes, monkeypatch, tmp_path) -> dict[str, Any]:
    """The overfitting view's row of a training on such episodes, scored on episodes of new classes."""
    monkeypatch.setattr(Labels, "episodes", episodes)
    axes = {"pretext": "labels", "meta": "maml", "backbone": "mlp", "source": "glyphs", "target": "glyphs"}
    content = {
        "axes": {axis: [name] for axis, name in {**axes, "protocol": "5way-1shot"}.items()},
        "floors": False,
        "budget": {"samples": WAYS * 6 * 4 * 50},
        "episodes": {"meta_batch": 4},
        "training": {"lr": 3e-3},
        "settings": {
            "backbone": {"mlp": {"width": 64, "depth": 1}},
            # Steps too small to learn from the support set: what is left is to remember.
            "meta": {"maml": {"inner_lr": 1e-4, "train_steps": 1, "test_steps": 1, "head_ways": WAYS}},
            "protocol": {"episodic": {"episodes": 50}},
        },
    }
    (record,) = benchbench.run(parse_matrix(content, "test"), tmp_path, executor="inline").records
    (row,) = plain_rows(view("overfitting", [record]))
    return row


def test_labels_that_are_not_shuffled_are_memorised_and_the_gap_shows_it(monkeypatch, tmp_path):
    row = run(fixed, monkeypatch, tmp_path)
    assert row["train"] > 90
    assert row["test"] < 35, "chance is 20"
    assert row["gap"] - row["ci95"] > 50
    assert row["verdict"] == "memorised"


def test_shuffled_labels_cannot_be_memorised(monkeypatch, tmp_path):
    row = run(shuffled, monkeypatch, tmp_path)
    assert row["train"] < 50
    assert abs(row["gap"]) < 15
    assert row["verdict"] != "memorised"
