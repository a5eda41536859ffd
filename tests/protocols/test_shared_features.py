"""A training is trained once and a target is encoded once, however many protocols score it."""

from pathlib import Path

import pytest
import torch

import benchbench
from benchbench.matrix import parse_matrix
from benchbench_standard.backbones.conv4 import Conv4

PROTOCOLS = [
    "5way-1shot", "20way-1shot", "nearest-centroid", "knn", "knn-solo-learn", "logistic", "logistic-1shot",
    "logistic-5shot", "ridge", "linear-probe",
]  # fmt: skip
IMAGES = {"digits": 1797, "glyphs": 326 * 20}


def test_ten_protocols_train_once_and_encode_each_target_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = 0
    forward = Conv4.forward

    def counted(self: Conv4, x: torch.Tensor) -> torch.Tensor:
        nonlocal encoded
        encoded += 0 if self.training else len(x)
        return forward(self, x)

    monkeypatch.setattr(Conv4, "forward", counted)
    axes = {"pretext": ["rotation"], "meta": ["nearest-centroid"], "backbone": ["conv4"], "source": ["glyphs"]}
    content = {
        "axes": {**axes, "target": list(IMAGES), "protocol": PROTOCOLS},
        "exclude": [{"target": "digits", "protocol": "20way-1shot"}],
        "budget": {"samples": 320},
        "floors": False,
        "settings": {
            "backbone": {"conv4": {"width": 8}},
            "protocol": {"episodic": {"episodes": 5}, "logistic": {"c": [0.1]}, "linear-probe": {"epochs": 2}},
        },
    }
    done = benchbench.run(parse_matrix(content, "ten"), tmp_path / "runs", executor="inline")
    assert (done.trained, len(done.records)) == (1, 19)
    assert {r.status for r in done.records} == {"ok"}
    assert encoded == sum(IMAGES.values())
    # A cell that is scored later finds the same features: nothing depends on what was encoded before.
    alone = parse_matrix({**content, "axes": {**content["axes"], "protocol": ["knn"], "target": ["digits"]}}, "one")
    (again,) = benchbench.run(alone, tmp_path / "other", executor="inline").records
    (first,) = [r for r in done.records if (r.target, r.protocol) == ("digits", "knn")]
    assert (again.key, again.scores) == (first.key, first.scores)
    unit = {r.protocol: r.scores["accuracy"].unit for r in done.records}
    assert (unit["knn"], unit["5way-1shot"]) == ("image", "episode")
    # Methods are compared on the same test images.
    assert len({r.episodes_hash for r in done.records if r.target == "digits" and "way" not in r.protocol}) == 1
