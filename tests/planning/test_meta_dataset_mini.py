"""Meta-Dataset's protocol on embedded data: what its matrix plans, and that it runs."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import benchbench
from benchbench.components.reference import key_content, resolve_component
from benchbench.data.prepare import prepare
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
    plain, grouped = (resolve_component("dataset", name, {"per_class": 2, "hierarchy": on}) for on in (False, True))
    assert key_content(plain) == key_content(resolve_component("dataset", name, {"per_class": 2}))
    assert key_content(grouped) != key_content(plain)
    of, held = prepare(plain), prepare(grouped)
    assert of.split.hierarchy is None
    assert held.split.hierarchy is not None
    names = held.table.class_names
    for part in ("train", "valid", "test"):
        assert held.split.part(part) == of.split.part(part)
        groups = held.split.hierarchy.part(part)
        assert sorted(c for group in groups for c in group) == sorted(held.split.part(part))
        firsts = [{names[c].split("/")[0] for c in group} for group in groups]
        assert all(len(first) == 1 for first in firsts)
        assert len({*map(frozenset, firsts)}) == len(groups)


def test_it_runs_cut_down(tmp_path: Path) -> None:
    content = tomllib.loads((benchbench.tasks_folder() / "matrices" / "meta-dataset-mini.toml").read_text("utf-8"))
    content |= {"floors": False, "budget": {"samples": 400}}
    content["axes"]["target"] = ["glyphs", "digits"]
    content["settings"]["backbone"]["conv4"]["width"] = 4
    content["settings"]["dataset"]["glyphs"]["per_class"] = 4
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
