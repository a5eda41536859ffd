"""Every standard component keeps the contract that third parties are held to."""

import pytest

from benchbench.components.registry import Offer, offers
from benchbench.testing.cards import check_offer
from benchbench.testing.subjects import CONTRACTS

#: Small networks, few steps and few samples: what is checked does not depend on them.
SMALL = {
    "anil": {"train_steps": 2, "test_steps": 2},
    "baseline++": {"epochs": 2},
    "calibration": {"episodes": 4},
    "caml": {"depth": 1, "width": 72},
    "conv4": {"width": 4},
    "detection": {"steps": 2, "width": 32},
    "digits": {"size": 8},
    "episodic": {"episodes": 4},
    "episodic-frozen": {"episodes": 2},
    "episodic-finetune": {"episodes": 2, "steps": 2},
    "finetune": {"steps": 2},
    "fomaml": {"train_steps": 2, "test_steps": 2},
    "glyph-scenes": {"scenes": 6},
    "imaml": {"train_steps": 2, "test_steps": 2},
    "inpainting": {"width": 8, "depth": 1},
    "linear-probe": {"epochs": 2},
    "logistic": {"c": [0.1]},
    "maml": {"train_steps": 2, "test_steps": 2},
    "meta-dataset": {"episodes": 2},
    "meta-dataset-finetune": {"episodes": 2, "steps": 2},
    "meta-sgd": {"train_steps": 2, "test_steps": 2},
    "proto-maml": {"train_steps": 2, "test_steps": 2},
    "prototune": {"epochs": 2},
    "reptile": {"train_steps": 2, "test_steps": 2},
    "resnet12": {"width": 2},
    "robustness": {"severities": [1]},
    "segmentation": {"steps": 2},
    "vit": {"depth": 1},
}
#: Heavy networks, and fonts that take long to draw.
SLOW = {"detection", "glyphs", "resnet18", "symbols"}
STANDARD = [o for kind in CONTRACTS for o in offers(kind) if o.distribution == "benchbench-suite"]


def marked(offer: Offer) -> object:
    name = f"{offer.kind}-{offer.name}"
    return pytest.param(offer, id=name, marks=[pytest.mark.full] if offer.name in SLOW else [])


def test_every_small_setting_is_of_a_component():
    assert set(SMALL) | SLOW <= {offer.name for offer in STANDARD}


@pytest.mark.parametrize("offer", [marked(offer) for offer in STANDARD])
def test_it_conforms(offer, monkeypatch):
    # Without data of its own, what needs files is judged as far as it goes.
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    settings = {} if offer.kind == "dataset" and offer.name == "meta-dataset" else SMALL.get(offer.name, {})
    card = check_offer(offer, settings)
    assert card.conforms, card.text()
