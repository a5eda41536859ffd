"""Whether a query's score may depend on the other queries: a matter of learner and protocol together."""

from pathlib import Path
from typing import Any

import pytest

import benchbench
from benchbench.leaderboard.aggregate import aggregate
from benchbench.planning.matrix import parse_matrix

PROTOCOLS = ["5way-1shot", "knn", "episodic-finetune", "episodic-frozen"]


@pytest.mark.parametrize(("settings", "own"), [({}, True), ({"test_norm": "support"}, False)])
def test_only_the_learners_own_adaptation_is_transductive(tmp_path: Path, settings: dict[str, Any], own: bool) -> None:
    few = {"episodes": 4}
    content = {
        "axes": {
            "pretext": ["labels"], "meta": ["maml"], "backbone": ["conv4"], "source": ["glyphs"], "target": ["digits"],
            "protocol": PROTOCOLS,
        },
        "budget": {"samples": 320},
        "floors": False,
        "settings": {
            "meta": {"maml": settings},
            "backbone": {"conv4": {"width": 4}},
            "protocol": {"episodic": few, "episodic-frozen": few, "episodic-finetune": {**few, "steps": 2}},
        },
    }  # fmt: skip
    records = benchbench.run(parse_matrix(content, "norms"), tmp_path, executor="inline").records
    # The frozen protocols come after the learner's own, from the same trained encoder.
    assert {r.protocol: r.flags.transductive for r in records} == dict.fromkeys(PROTOCOLS, False) | {PROTOCOLS[0]: own}
    assert aggregate(records).rows["transductive"].tolist() == ["yes" if own else "no"]
