"""A training is trained once and a target is encoded once, however many protocols score it."""

from pathlib import Path

import pytest
import torch

import benchbench
from benchbench import Rng, Trained
from benchbench.evaluation import trained as evaluation
from benchbench.evaluation.trained import ALONE, TRIED
from benchbench.planning.matrix import parse_matrix
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.protocols.episodic import Episodic

from .conftest import SAMPLE

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
    # Besides, a few images of each show that features depend on no batch: a handful with two of it alone, and three.
    assert encoded == sum(IMAGES.values()) + len(IMAGES) * (TRIED + 2 + ALONE)
    # A cell that is scored later finds the same features: nothing depends on what was encoded before.
    axes = {**content["axes"], "protocol": ["knn"], "target": ["digits"]}
    alone = parse_matrix({**content, "axes": axes, "exclude": []}, "one")
    (again,) = benchbench.run(alone, tmp_path / "other", executor="inline").records
    (first,) = [r for r in done.records if (r.target, r.protocol) == ("digits", "knn")]
    assert (again.key, again.scores) == (first.key, first.scores)
    unit = {r.protocol: r.scores["accuracy"].unit for r in done.records}
    assert (unit["knn"], unit["5way-1shot"]) == ("image", "episode")
    # Methods are compared on the same test images.
    assert len({r.episodes_hash for r in done.records if r.target == "digits" and "way" not in r.protocol}) == 1


def test_a_target_too_large_to_be_kept_is_encoded_a_batch_at_a_time(pixels, target, monkeypatch: pytest.MonkeyPatch):
    """A square of 84 pixels is 85 kB as features of `pixels`, and Meta-Dataset's targets hold ten thousands."""
    whole = Episodic(episodes=120, queries=3).evaluate(pixels, target, Rng(0))
    monkeypatch.setattr(evaluation, "KEPT_FEATURES", 1 << 10)
    encoder = Pixels(SAMPLE)
    other = Trained(encoder, NearestCentroid(encoder), SAMPLE)
    held = []
    kept = Trained._kept
    monkeypatch.setattr(Trained, "_kept", lambda s, t, rows, e: held.append(len(rows)) or kept(s, t, rows, e))
    assert Episodic(episodes=120, queries=3).evaluate(other, target, Rng(0)) == whole
    assert len(held) == 2
    assert max(held) < len(target.used)
