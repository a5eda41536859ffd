"""Meta-Dataset's protocol, and training on joined sources."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchbench import (
    Backbone,
    BenchbenchError,
    ClassHierarchy,
    ClassSplit,
    Episodes,
    EpisodeShape,
    MetaLearner,
    Pool,
    Rng,
    SampleSpec,
    SampleTable,
    Target,
    Trained,
    VariableShape,
)
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.protocols.meta_dataset import MetaDataset

SAMPLE = SampleSpec("image", (1, 8, 8))


def digits() -> Prepared:
    return prepare(resolve_component("dataset", "digits", {"size": 8}))


class Spy(MetaLearner):
    """Keeps what it is given; scores by the mean of the support images, one task at a time."""

    def __init__(self, encoder: Backbone):
        super().__init__(encoder)
        self.seen: list[Episodes] = []

    def logits(self, episodes: Episodes, rng: Rng) -> Tensor:
        self.seen.append(episodes)
        support, query = episodes.support_x.flatten(2), episodes.query_x.flatten(2)
        means = torch.stack([support[0][episodes.support_y[0] == y].mean(0) for y in range(episodes.ways)])
        return -torch.cdist(query[0], means)[None]


def scored(learner: type[MetaLearner], target: Target, **settings: Any) -> tuple[list[float], MetaLearner]:
    encoder = Pixels(SAMPLE)
    trained = Trained(encoder, learner(encoder), SAMPLE)
    scores = MetaDataset(**settings).evaluate(trained, target, Rng(0))["accuracy"]
    assert scores.denominator is None
    return [float(v) for v in scores.values], trained.learner


def test_scores_are_shares_of_each_episodes_own_queries() -> None:
    data = digits()
    found, spy = scored(Spy, Target(data, SAMPLE), episodes=12)
    assert isinstance(spy, Spy)
    drawn = Target(data, SAMPLE).drawn(VariableShape(), 12)
    # The first task comes twice more before it counts, to see whether its scores depend on one another.
    spy.seen = spy.seen[2:]
    assert [e.ways for e in spy.seen] == [len(d.classes) for d in drawn]
    assert len({e.ways for e in spy.seen}) > 1
    for score, episode, seen in zip(found, drawn, spy.seen, strict=True):
        assert seen.query_y is None
        # Worked out again from the rows: the nearest mean image.
        x = data.table.x.reshape(len(data.table), -1) / 255
        means = np.stack([x[episode.support[episode.support_y == y]].mean(0) for y in range(seen.ways)])
        nearest = ((x[episode.query][:, None] - means) ** 2).sum(-1).argmin(1)
        assert score == pytest.approx((nearest == episode.query_y).mean(), abs=1e-9)
        # By class the queries would tell their labels by their places.
        assert episode.query_y.tolist() != sorted(episode.query_y.tolist())


def test_features_that_are_cached_give_the_same_scores() -> None:
    data = digits()

    class Uncached(NearestCentroid):
        frozen_features = False

    cached, _ = scored(NearestCentroid, Target(data, SAMPLE), episodes=12)
    plain, _ = scored(Uncached, Target(data, SAMPLE), episodes=12)
    assert cached == plain
    assert 0.5 < np.mean(cached) < 1


def test_features_of_another_target_are_not_taken() -> None:
    # Targets of one job come and go; what tells them apart is what they hold.
    data = digits()
    trained = Trained(Pixels(SAMPLE), NearestCentroid(Pixels(SAMPLE)), SAMPLE)
    shifted = replace(data, table=replace(data.table, x=np.roll(np.asarray(data.table.x), 700, 0), pixel_hash="rolled"))
    found = []
    for source in (data, shifted, data, shifted, data):
        target = Target(source, SAMPLE)
        found.append(MetaDataset(episodes=5).evaluate(trained, target, Rng(0))["accuracy"].values)
        del target
    assert found[0] == found[2] == found[4] != found[1]


def test_one_target_under_two_shapes() -> None:
    data = digits()
    trained = Trained(Pixels(SAMPLE), NearestCentroid(Pixels(SAMPLE)), SAMPLE)
    target = Target(data, SAMPLE)
    for settings in ({"episodes": 3}, {"episodes": 6}, {"episodes": 3, "shots": 1}):
        fresh, _ = scored(NearestCentroid, Target(data, SAMPLE), **settings)
        assert MetaDataset(**settings).evaluate(trained, target, Rng(0))["accuracy"].values == fresh


def test_fixed_ways_and_shots() -> None:
    _, spy = scored(Spy, Target(digits(), SAMPLE), episodes=3, ways=5, shots=2, queries=4)
    assert isinstance(spy, Spy)
    assert [(e.ways, e.support_x.shape[1], e.query_x.shape[1]) for e in spy.seen[2:]] == [(5, 10, 20)] * 3


def test_a_target_that_is_too_small_is_refused_before_anything_runs() -> None:
    with pytest.raises(BenchbenchError, match=r"dataset digits \(test\): 11-way episodes need 11 classes"):
        MetaDataset(min_ways=11).check(Target(digits(), SAMPLE))
    with pytest.raises(BenchbenchError, match=r"dataset digits \(valid\) has no classes"):
        MetaDataset().check(Target(digits(), SAMPLE, part="valid"))


def test_episodes_from_elsewhere_are_scored_whatever_their_order() -> None:
    data = digits()
    target = Target(data, SAMPLE)
    drawn = target.drawn(VariableShape(), 4)
    given = []
    for e in drawn:
        order = np.argsort(e.query_y, kind="stable")
        x = [target.images(rows)[None] for rows in (e.support, e.query[order])]
        y = [torch.from_numpy(labels)[None] for labels in (e.support_y, e.query_y[order])]
        given.append(Episodes(x[0], y[0], x[1], y[1], len(e.classes)))
    expected, _ = scored(NearestCentroid, Target(data, SAMPLE), episodes=4)
    trained = Trained(Pixels(SAMPLE), NearestCentroid(Pixels(SAMPLE)), SAMPLE)
    assert list(trained.accuracies(given, Rng(0))) == pytest.approx(expected)


# Joined sources


def union(*parts: Any, **settings: Any) -> Prepared:
    return prepare(resolve_component("dataset", "union", {"parts": list(parts), "size": 8, **settings}))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Two trees of grey images, of six and eight classes, all for training; a pixel tells the tree."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    parts = []
    for tree, classes in ((0, 6), (1, 8)):
        for c in range(classes):
            for i in range(4):
                path = tmp_path / str(tree) / f"class{c}" / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((8, 8), 100 * tree + 10 * c + i, np.uint8)).save(path)
        split = tmp_path / f"{tree}.json"
        split.write_text(json.dumps({"train": [f"class{c}" for c in range(classes)]}))
        settings = {"path": str(tmp_path / str(tree)), "split": str(split), "size": 8, "grey": True}
        parts.append({"name": "imagefolder", **settings})
    return parts


def test_a_union_holds_the_parts_in_one_form(folders: list[dict[str, Any]]) -> None:
    data = union(*folders)
    assert data.table.x.shape == (4 * 14, 3, 8, 8)
    assert data.table.class_names[5:7] == ("imagefolder-1/class5", "imagefolder-2/class0")
    assert data.split.train == tuple(range(14))
    assert [s.train for s in data.split.sources] == [tuple(range(6)), tuple(range(6, 14))]
    assert set(data.table.x[data.table.labels == 6].flatten().tolist()) == {100, 101, 102, 103}
    assert union(*folders, grey=True).table.shape == (1, 8, 8)


def test_labelled_episodes_never_mix_sources(folders: list[dict[str, Any]]) -> None:
    data = union(*folders)
    pool = Pool.of(data.table, data.split, "train", name="union", labelled=True)
    sources = []
    for i in range(10):
        episodes = pool.labelled_episodes(EpisodeShape(4, 1, 2), 8, Rng(i))
        second = episodes.all_x.flatten(2).amin(2) * 255 >= 99.5
        assert (second.all(1) | ~second.any(1)).all()
        sources += second.all(1).tolist()
    # Every source is equally likely, though the second has more classes: 80 draws, four standard deviations.
    assert abs(sum(sources) - 40) < 18


def test_training_episodes_may_vary_within_one_source(folders: list[dict[str, Any]]) -> None:
    data = union(*folders)
    pool = Pool.of(data.table, data.split, "train", name="union", labelled=True)
    ways, trees = set(), set()
    for i in range(30):
        episode = pool.variable_episode(VariableShape(), Rng(i))
        assert len(episode) == 1
        assert episode.samples == pool.variable_size(VariableShape(), Rng(i))
        # A class has four images: two at most are queries, and none is in both sets. The first pixel names the image.
        images = (episode.all_x[0, :, 0, 0, 0] * 255).round().int().tolist()
        assert len(set(images)) == len(images)
        labels = torch.cat([episode.support_y, episode.labels()], 1)[0].tolist()
        classes = {label: image // 10 for label, image in zip(labels, images, strict=True)}
        assert [classes[label] for label in labels] == [image // 10 for image in images]
        assert sorted(classes) == list(range(episode.ways))
        ways.add(episode.ways)
        trees |= {image // 100 for image in images}
        assert len({image // 100 for image in images}) == 1
    assert trees == {0, 1}
    assert ways == {5, 6, 7, 8}


def test_test_episodes_never_mix_sources(folders: list[dict[str, Any]]) -> None:
    data = union(*folders)
    target = Target(data, SampleSpec("image", (3, 8, 8)), part="train")
    for shape in (VariableShape(), EpisodeShape(5, 1, 2)):
        labels = [data.table.labels[np.concatenate([e.support, e.query])] for e in target.drawn(shape, 40)]
        second = [set((part >= 6).tolist()) for part in labels]
        assert {True} in second
        assert {False} in second
        assert {True, False} not in second


def test_a_hierarchy_holds_within_its_own_source() -> None:
    # Classes 0 to 5 form two alphabets; 6 to 10 none.
    letters = ClassSplit(train=(0, 1, 2, 3, 4, 5), hierarchy=ClassHierarchy("bilevel", ((0, 2, 4), (1, 3, 5))))
    others = ClassSplit(train=tuple(range(5)), variant_of=(0, 0, 1, 2, 3))
    joined = ClassSplit.joined([letters, others.renumbered(range(6, 11), 11)])
    assert joined.sources[1].variant_of == (-1,) * 6 + (0, 0, 1, 2, 3)
    table = SampleTable(np.zeros((44, 1, 8, 8), np.uint8), np.arange(44) // 4, tuple("abcdefghijk"), "f", "")
    data = Prepared("joined", digits().dataset, table, joined)
    drawn = Target(data, SAMPLE, part="train").drawn(VariableShape(min_ways=3), 60)
    found = {frozenset((e.support // 4).tolist()) for e in drawn}
    assert {frozenset({0, 2, 4}), frozenset({1, 3, 5})} <= found
    for classes in found - {frozenset({0, 2, 4}), frozenset({1, 3, 5})}:
        assert min(classes) >= 6
        assert not {6, 7} <= classes, "two variants of one thing"


def test_a_source_that_is_too_small_is_refused(folders: list[dict[str, Any]]) -> None:
    data = union(*folders)
    pool = Pool.of(data.table, data.split, "train", name="union", labelled=True)
    with pytest.raises(BenchbenchError, match="7-way episodes need 7 classes, but it has 6"):
        pool.labelled_episodes(EpisodeShape(7, 1, 1), 1, Rng(0))


def test_a_union_of_nothing() -> None:
    with pytest.raises(BenchbenchError, match="dataset union: setting 'parts' names no dataset"):
        resolve_component("dataset", "union", {"parts": []}).build()
