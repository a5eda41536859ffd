"""The page on costs says what encoders, records and its own arithmetic give."""

import re
import statistics
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchbench import Backbone, SampleSpec, load_records
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.resnet12 import ResNet12
from benchbench_standard.backbones.resnet18 import ResNet18
from benchbench_standard.backbones.vit import ViT

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\s+", " ", (ROOT / "docs" / "guides" / "cost.md").read_text("utf-8"))
ENCODERS: dict[str, type[Backbone]] = {
    "Conv-4": Conv4, "ResNet-12": ResNet12, "ResNet-18": ResNet18, "ViT tiny": ViT,
}  # fmt: skip
SIZES = (28, 84, 126)


@pytest.mark.parametrize("name", ENCODERS)
def test_forward_passes_are_counted(name: str) -> None:
    row = re.search(rf"\| {name} \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) M \|", TEXT)
    assert row
    for said, size in zip(row.groups(), SIZES, strict=False):
        encoder = ENCODERS[name](SampleSpec("image", (3, size, size)))
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            encoder(torch.rand(1, 3, size, size))
        assert f"{counted.get_total_flops() / 1e9:.3f}" == said
    assert f"{sum(p.numel() for p in encoder.parameters()) / 1e6:.1f}" == row[4]


def test_what_learners_multiply_that_by() -> None:
    records = [r for r in load_records(ROOT / "results" / "every-pair") if r.cost and r.cost.samples]
    trained = {r.training_key: r for r in records if r.method.backbone == "conv4" and r.method.meta != "caml"}.values()
    costs: dict[str, list[float]] = {}
    for r in trained:
        assert r.cost
        costs.setdefault(r.method.meta, []).append(r.cost.flops / r.cost.samples)
    plain = statistics.median(costs["nearest-centroid"])
    for said, learner in (
        ("closed forms", "protonet"), ("closed forms", "r2d2"), ("FOMAML", "fomaml"), ("Reptile", "reptile"),
        ("Proto-MAML", "proto-maml"), ("MAML and Meta-SGD", "maml"), ("MAML and Meta-SGD", "meta-sgd"),
        ("iMAML", "imaml"),
    ):  # fmt: skip
        assert f"{said} {statistics.median(costs[learner]) / plain:.1f}" in TEXT
    mean = statistics.fmean(cost / plain for of in costs.values() for cost in of)
    assert f"the mean over these {len(trained)} pairs is {mean:.2f}." in TEXT


def test_the_arithmetic() -> None:
    trainings = 142 * 9 * 3
    assert f"| trainings, cells | {trainings:,}, {13 * trainings:,} |" in TEXT
    plain = 2e6 * 3 * 1.182e9
    training, scoring = trainings * plain * 1.77, 13 * trainings * 210_000 * 1.182e9
    assert f"= {training / 1e19:.1f} × 10¹⁹" in TEXT
    assert f"{scoring / 1e19:.1f} × 10¹⁹, more for" in TEXT
    assert f"| {trainings * 11.18e6 * 4 / 1e9:.0f} GB, {13 * trainings * 9e3 / 1e9:.1f} GB |" in TEXT
    days = (training + scoring) / 20e12 / 86400
    assert f"| 1 | {days:.0f} days | | 8 | {days / 8:.1f} days | | 64 | {24 * days / 64:.0f} hours |" in TEXT
    assert (round(plain / 20e12 / 60), round(6.8 * plain / 20e12 / 60)) == (6, 40)
