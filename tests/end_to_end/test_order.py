"""What the benchmark must be able to show: floor < contrastive < labels, by more than the intervals."""

import pytest

import benchbench


def _glyphs(pretext: str, meta: str, samples: int):
    episodes = {"ways": 20, "queries": 3, "meta_batch": 1}
    model = benchbench.train(pretext=pretext, meta=meta, samples=samples, episodes=episodes)
    return benchbench.evaluate(model, "glyphs", "5way-1shot")


def test_floor_below_labels_on_glyphs():
    floor, labels = _glyphs("none", "nearest-centroid", 1), _glyphs("labels", "protonet", 6_000)
    assert floor.mean + floor.ci95 < labels.mean - labels.ci95, (floor, labels)


@pytest.mark.full
def test_floor_below_contrastive_below_labels_on_glyphs():
    floor, contrastive, labels = (
        _glyphs("none", "nearest-centroid", 1),
        _glyphs("contrastive", "protonet", 60_000),
        _glyphs("labels", "protonet", 60_000),
    )
    assert floor.mean + floor.ci95 < contrastive.mean - contrastive.ci95, (floor, contrastive, labels)
    assert contrastive.mean + contrastive.ci95 < labels.mean - labels.ci95, (floor, contrastive, labels)
