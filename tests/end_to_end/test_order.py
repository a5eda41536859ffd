"""What the benchmark must be able to show: floor < contrastive < labels, by more than the intervals."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

import benchbench
from benchbench.store.records import Record, Summary

PUBLISHED = Path(__file__).parents[2] / "results"
#: The method of each step of the order.
ORDER = (("none", "nearest-centroid"), ("contrastive", "protonet"), ("labels", "protonet"))


def ordered(summaries: list[Summary]) -> bool:
    """Whether intervals rise without touching."""
    return all(a.mean + a.ci95 < b.mean - b.ci95 for a, b in pairwise(summaries))


def steps(records: list[Record], target: str) -> list[Summary]:
    """The summaries of `ORDER` on one target at 5-way 1-shot, first seed."""
    found = {(r.method.pretext, r.method.meta): r for r in records if r.target == target and r.protocol == "5way-1shot"}
    return [found[method].summary["accuracy"] for method in ORDER]


@pytest.mark.parametrize("name", ["quick", "omniglot"])
def test_published_records_show_the_order(name):
    records = benchbench.load_records(PUBLISHED / name)
    source = {"quick": "glyphs"}.get(name, name)
    assert ordered(steps(records, source)), steps(records, source)


def test_floor_below_labels_on_glyphs():
    def glyphs(pretext: str, meta: str, samples: int) -> Summary:
        episodes = {"ways": 20, "queries": 3, "meta_batch": 1}
        model = benchbench.train(pretext=pretext, meta=meta, samples=samples, episodes=episodes)
        return benchbench.evaluate(model, "glyphs", "5way-1shot")

    summaries = [glyphs("none", "nearest-centroid", 1), glyphs("labels", "protonet", 6_000)]
    assert ordered(summaries), summaries


@pytest.mark.full
def test_floor_below_contrastive_below_labels_on_glyphs(tmp_path):
    outcome = benchbench.run("quick", tmp_path, only={"pretext": ["none", "contrastive", "labels"]})
    assert not outcome.failed
    assert ordered(steps(outcome.records, "glyphs")), steps(outcome.records, "glyphs")


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.skipif("BENCHBENCH_DATA" not in os.environ, reason="needs Omniglot below BENCHBENCH_DATA")
def test_the_published_figures_are_reached_on_omniglot(tmp_path):
    outcome = benchbench.run("omniglot", tmp_path, only={"pretext": ["none", "contrastive", "labels"]})
    assert not outcome.failed
    found = steps(outcome.records, "omniglot")
    assert ordered(found), found
    assert found[2].mean >= 0.97, "ProtoNet, labels"
    assert found[1].mean >= 0.83, "contrastive × ProtoNet, no labels"
