"""Meta-Dataset's protocol on embedded data: what its matrix plans, and that it runs."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import benchbench
from benchbench.components.reference import key_content, resolve_component
from benchbench.data.splits import PARTS
from benchbench.data.table import SampleTable
from benchbench.planning.matrix import load_matrix
from benchbench.planning.plan import plan


def test_it_is_planned_whole_without_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    made = plan(load_matrix("meta-dataset-mini"), prepare_data=False)
    assert (made.missing, made.dropped) == ([], [])
    trained = [t for t in made.trainings if not t.label.startswith("none")]
    assert len(trained) == 6
    assert {len(t.cells) for t in made.trainings} == {3}
    # Only labelled episodes vary.
    assert {t.recipe["episodes"].get("sampler") for t in trained if t.label.startswith("labels")} == {"meta-dataset"}
    assert {t.recipe["episodes"].get("sampler") for t in trained if t.label.startswith("contrastive")} == {None}


@pytest.mark.parametrize("name", ["glyphs", "symbols"])
def test_a_hierarchy_groups_the_same_split_and_changes_no_key(name: str) -> None:
    plain, off, grouped = (
        resolve_component("dataset", name, s) for s in ({}, {"hierarchy": False}, {"hierarchy": True})
    )
    assert key_content(plain) == key_content(off) != key_content(grouped)
    firsts = {"glyphs": ("Latn", "Armn", "Hebr", "Arab"), "symbols": ("Dingbats", "Arrows", "Box Drawing")}[name]
    # Not in the order of groups.
    names = tuple(f"{first}/U+{i}{k}" for i in range(3) for k, first in enumerate(firsts))
    table = SampleTable(np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, np.int64), names, "", "")
    of, held = plain.build().split(table), grouped.build().split(table)
    assert of.hierarchy is None
    assert held.hierarchy.kind == "bilevel"
    assert replace(held, hierarchy=None) == of
    groups = [{names[c].split("/")[0] for c in g} for p in PARTS for g in held.hierarchy.part(p)]
    assert sorted(first for group in groups for first in group) == sorted(firsts), "a group is all of one first level"
    assert {len(g) for p in PARTS for g in held.hierarchy.part(p)} == {3}


def test_it_runs_cut_down(tmp_path: Path) -> None:
    content = tomllib.loads((benchbench.tasks_folder() / "matrices" / "meta-dataset-mini.toml").read_text("utf-8"))
    content |= {"floors": False, "budget": {"samples": 600}}
    content["axes"]["target"] = ["glyphs", "digits"]
    content["settings"]["backbone"]["conv4"]["width"] = 4
    content["settings"]["dataset"]["glyphs"]["per_class"] = 6
    content["settings"]["protocol"]["meta-dataset"] |= {"episodes": 3, "max_ways": 8, "max_support": 40}
    content["settings"]["meta"] = {"proto-maml": {"train_steps": 1, "test_steps": 1}}
    done = benchbench.run(content, tmp_path, executor="inline")
    assert done.failed == []
    records = [r for r in done.records if not r.flags.floor]
    assert {(r.method.pretext, r.method.meta) for r in records} == {
        (pretext, meta)
        for pretext in ("labels", "contrastive")
        for meta in ("nearest-centroid", "protonet", "proto-maml")
    }
    assert all(np.isfinite(r.summary["accuracy"].mean) for r in records)
